"""How smoothly the drawings of one span follow each other.

Measured on a series at equal distances of time, first and last key included, `[h, w, 3]` RGB bytes. No truth
is needed. For each drawing between the keys, and each small block of it with lines, one movement is sought
that finds the block's lines in the drawing before, as far back, and in the one after, as far on. Lines that
move on evenly are found wherever they go. What remains is the change of movement, and it tells the bad cases:
lines that stay and then leap (a dissolve shows both), lines that tremble, details that come out of nothing or
vanish.
"""

import cv2
import numpy as np

NAMES = ("uneven", "flicker")
BLOCK = 0.045
"""Side of a block, as part of the diagonal."""
FASTEST = 0.06
"""Fastest movement from one drawing to the next that is sought, as part of the diagonal."""
REACH = 0.015
"""How far a line that is not where it should be can be away, as part of the diagonal."""
SEEN = 0.008
"""Change of movement from which a point is said to flicker, as part of the diagonal."""
STEP = 1 / 300
"""Distance of the movements that are tried, as part of the diagonal, 2 pixels at least. A change as small as that
does not count."""


def edges(picture):
    """Thin edges: `[h, w]`, true or false."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    return cv2.Canny(grey, 40, 80, L2gradient=True) > 0


def distances(marked, margin, reach):
    """Distance of each place from the nearest marked one, up to `reach`, with `margin` pixels around."""
    ground = cv2.copyMakeBorder((~marked).astype(np.uint8), *[margin] * 4, cv2.BORDER_CONSTANT, value=1)
    if ground.all():
        return np.full(ground.shape, reach, np.float32)
    return np.minimum(cv2.distanceTransform(ground, cv2.DIST_L2, 5), reach).astype(np.float32)


def movements(fastest, step):
    """Movements to try, `[v, 2]` in pixels (right, down), the slowest first."""
    steps = np.arange(-(fastest // step), fastest // step + 1) * step
    tried = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    length = np.hypot(*tried.T)
    tried, length = tried[length <= fastest], length[length <= fastest]
    return tried[np.argsort(length, kind="stable")]


def between(before, here, after, side, tried, margin):
    """For each edge point of `here` the change of movement, in pixels.

    `before`, `after`: distance maps; `here`: edge map; `side`: of a block.
    """
    rows, columns = np.nonzero(here)
    block = rows // side * (here.shape[1] // side + 1) + columns // side
    order = np.argsort(block, kind="stable")
    rows, columns, block = rows[order], columns[order], block[order]
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    count = np.diff(starts, append=len(block))
    width = before.shape[1]
    place = (rows + margin) * width + columns + margin
    before, after = before.ravel(), after.ravel()
    best = np.full(len(starts), np.inf, np.float32)
    choice = np.zeros(len(starts), int)
    for at, (x, y) in enumerate(tried):
        away = y * width + x
        cost = np.add.reduceat(before[place - away] + after[place + away], starts) / count
        # Of movements that explain a block equally well the slower is meant.
        cost += 0.02 * np.hypot(x, y)
        better = cost < best
        best[better], choice[better] = cost[better], at
    chosen = np.repeat(tried[choice], count, axis=0)
    away = chosen[:, 1] * width + chosen[:, 0]
    return before[place - away] + after[place + away]


def changes(pictures):
    """How the movement changes at each picture but the first and the last: its `uneven` and its `flicker` alone, as
    `score` has them of all."""
    maps = [edges(picture) for picture in pictures]
    diagonal = float(np.hypot(*maps[0].shape))
    step, side = max(2, round(STEP * diagonal)), max(8, round(BLOCK * diagonal))
    fastest, reach, seen = max(step, round(FASTEST * diagonal)), REACH * diagonal, max(SEEN * diagonal, 2 * step)
    tried = movements(fastest, step)
    far = [distances(marked, fastest, reach) for marked in maps]
    rows = []
    for before, here, after in zip(far, maps[1:], far[2:]):
        change = between(before, here, after, side, tried, fastest) if here.any() else np.zeros(1)
        uneven = 1000 * np.clip(change - step, 0, None).mean() / diagonal
        rows.append((uneven, 100 * (change > seen).mean()))
    return rows


def score(pictures):
    """Measures of a series of at least three pictures, by name; 0 is best.

    `uneven`: mean change of movement of a line point from one drawing to the next, in thousandths of the diagonal,
    up to `2000 * REACH`. 0 when every line moves straight on at an even pace, or nothing moves.
    `flicker`: % of the line points in a drawing between the keys whose movement changes by more than `SEEN`:
    pieces of lines that come, go, tremble or leap. 0..=100.
    """
    return dict(zip(NAMES, (float(mean) for mean in np.mean(changes(pictures), axis=0))))
