"""Makes room for other work on the same machine."""

import time


def wait_while(path, seconds=2.0):
    """Waits as long as the file exists. → seconds waited; `path` may be None."""
    waited = 0.0
    while path is not None and path.exists():
        time.sleep(seconds)
        waited += seconds
    return waited
