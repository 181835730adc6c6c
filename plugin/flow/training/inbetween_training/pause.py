"""Makes room for other work on the same machine."""

import time


def wait_while(path, stopped=(), seconds=2.0):
    """Waits as long as the file exists and nothing is put into `stopped`; `path` may be None."""
    while path is not None and path.exists() and not stopped:
        time.sleep(seconds)
