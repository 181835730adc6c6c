"""Does motion go on through a sequence of keys as one hand would draw it?

    python -m inbetween_training.sequences SCENES OUT

Every `--every`-th true drawing of each scene is a key of one sequence, drawn by `inbetween render` once with each of its
paths. Told are the mean difference from the true drawings, how unevenly lines move (`temporal.py`), and the same at the
keys in the middle alone: there a path that knows only its own two keys jerks. `x truth` is against the true drawings.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import numpy as np

from .pictures import raw
from .product import BUILT
from .temporal import changes
from .whole import over, scenes

PATHS = ("straight", "smooth")
"""As the option --path names them."""


def drawn(keys, frames, path, out, program=None):
    """The pictures of all frames between `keys`, which stand on `frames`, keys included."""
    program = program or BUILT / ("inbetween.exe" if os.name == "nt" else "inbetween")
    at = ",".join(str(frame) for frame in frames)
    command = [program, "render", *keys, "--at", at, "--engine", "flow", "--path", path, "--sheet", "--out", out]
    done = subprocess.run([str(part) for part in [*command, "--cache", out / "cache"]], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [over(raw(out / f"frame_{frame:04d}.png")) for frame in range(frames[0], frames[-1] + 1)]


def judged(pictures, true, keys):
    """Measures of a series, `keys` being indices into it: `error`, mean difference of what lies between the keys from
    the true drawings, in 1/255; `uneven`; `jerk`, the same at the keys in the middle alone."""
    pairs = [(a, b) for at, (a, b) in enumerate(zip(pictures, true)) if at not in keys]
    error = float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs])) if pairs else 0.0
    uneven = [row[0] for row in changes(pictures)]
    return {
        "error": error,
        "uneven": float(np.mean(uneven)),
        "jerk": float(np.mean([uneven[key - 1] for key in keys[1:-1]])),
    }


def of_scene(folder, every, out):
    """Measures of the true drawings and of each path, by name."""
    files = sorted(folder.glob("true_*.png"))
    last = (len(files) - 1) // every * every
    keys = list(range(0, last + 1, every))
    true = [over(raw(path)) for path in files[: last + 1]]
    found = {"truth": judged(true, true, keys)}
    for path in PATHS:
        pictures = drawn([files[key] for key in keys], [key + 1 for key in keys], path, out / path)
        found[path] = judged(pictures, true, keys)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, help="folder with a folder for each scene: true_00.png and on")
    parser.add_argument("out", type=Path, help="folder for the drawings, their sheets and scores.json")
    parser.add_argument("--every", type=int, default=4, help="steps from one key to the next")
    options = parser.parse_args()
    table = {name: of_scene(folder, options.every, options.out / name) for name, folder in scenes(options.scenes).items()}
    print(f"{'scene':12} {'path':9} {'error':>7} {'ratio':>6} {'uneven':>7} {'x truth':>8} {'jerk':>6} {'x truth':>8}")
    for name, found in table.items():
        truth = found["truth"]
        for path, row in found.items():
            ratio = row["error"] / found["straight"]["error"] if found["straight"]["error"] else 1.0
            part = [row[what] / truth[what] if truth[what] else float("nan") for what in ("uneven", "jerk")]
            print(
                f"{name:12} {path:9} {row['error']:7.3f} {ratio:6.3f} {row['uneven']:7.3f} {part[0]:8.2f} "
                f"{row['jerk']:6.3f} {part[1]:8.2f}"
            )
    (options.out / "scores.json").write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
