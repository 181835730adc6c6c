"""Draws what the matcher finds between two keys, to be looked at.

    python -m inbetween_training.show_matches runs/matcher/newest.pt first.png last.png matches.png

Above both keys, joined where the matcher trusts itself (every fourth cell, of those whose colours vary); below the last
key brought to the first by the motion found, and how sure it is (white: sure, black: not).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from .export import read_checkpoint
from .matcher import CELL, LONG_SIDE
from .pairs import drawn_part
from .pictures import raw, write
from .whole import over

WIDTH = 640
"""Width of a picture on the sheet."""
TRUSTED = 0.5
"""Likelihood from which a cell is joined."""


def small(picture):
    """The copy of `[h, w, 3]` RGB bytes that the matcher sees: `[1, 3, h, w]`."""
    height, width = picture.shape[:2]
    sides = [max(2, round(side * LONG_SIDE / max(height, width) / (2 * CELL))) * 2 * CELL for side in (width, height)]
    copy = cv2.resize(picture, sides, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(copy.transpose(2, 0, 1).copy()).float()[None] / 255


@torch.no_grad()
def found(net, first, last):
    """Motion from the first key to the last in parts of the picture, and how sure it is: `[h, w, 2]`, `[h, w]`."""
    answer = net(small(first), small(last))
    flow = answer["flows"][-1][0].permute(1, 2, 0).numpy()
    return flow / np.float32(flow.shape[1::-1]), answer["sure"][-1][0, 0].sigmoid().numpy()


def sheet(net, first, last):
    """The picture described above, from two keys of one size."""
    size = (WIDTH, round(first.shape[0] * WIDTH / first.shape[1]))
    flow, sure = found(net, first, last)
    worth = drawn_part(torch.cat((small(first), small(last)))[None])[0, 0].numpy()
    keys = [cv2.resize(key, size, interpolation=cv2.INTER_AREA) for key in (first, last)]
    above, scale = np.hstack(keys), np.float32(size)
    rows, columns = sure.shape
    for y in range(2, rows, 4):
        for x in range(2, columns, 4):
            if sure[y, x] < TRUSTED or worth[y, x] < 1:
                continue
            at = np.float32([(x + 0.5) / columns, (y + 0.5) / rows])
            to = (at + flow[y, x]) * scale + (WIDTH, 0)
            colour = cv2.applyColorMap(np.uint8([[(37 * (y * columns + x)) % 256]]), cv2.COLORMAP_HSV)[0, 0]
            ends = [tuple(int(v) for v in place) for place in (at * scale, to)]
            cv2.line(above, *ends, colour.tolist(), 1, cv2.LINE_AA)
            for end in ends:
                cv2.circle(above, end, 3, colour.tolist(), -1, cv2.LINE_AA)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    motion = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * scale
    moved = cv2.remap(
        keys[1], x + motion[..., 0], y + motion[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    grey = cv2.resize((255 * sure).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.vstack((above, np.hstack((moved, np.dstack([grey] * 3)))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("weights", "first", "last", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    first, last = (over(raw(path)) for path in (args.first, args.last))
    write(args.out, sheet(read_checkpoint(args.weights), first, last))


if __name__ == "__main__":
    main()
