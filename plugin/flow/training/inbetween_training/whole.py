"""Is the figure whole? For scenes of which every true drawing is known, with keys as far apart as animators leave them.

A scene is a folder with `true_00.png` to `true_16.png`, the first and the last of them keys. Linear timing between two
keys cannot know an ease or an arc, so each drawn in-between is compared with the true drawing that it is most like, of
those near its time: a held key is none of them. The figure is what differs from the ground, the median of all true
drawings, or what is opaque on transparency.
"""

from pathlib import Path

import cv2
import numpy as np

from .pictures import raw

COUNT = 16
"""Steps between the first and the last true drawing."""
IN_BETWEENS = 7
LATE = 5 / 16
"""How far the true drawing that is meant may be from an in-between's time, in parts of the span."""
APART = 28
"""Difference from the ground, of 255, from which a pixel belongs to the figure."""
ALIKE = 48
"""Difference below which colours agree, of 255, the next pixel's counting too."""
DARK = 70
"""Pixels of the figure darker than this are outline."""
PIECE = 30
"""Pixels of a piece that counts."""
SHIFTS = 6
"""Best shifts by correlation that are compared."""
STEADY = 0.75
"""Part of the picture that must show the ground in such a part of all drawings; else the ground moves, and there is no
figure to cut out."""
SAME = 8
"""Difference from the ground, of 255, up to which a pixel shows it."""
AREA, LINE, SHAPE, WAY = 0.15, 0.15, 0.8, 0.2
"""Whole: area and outline differ by less than these parts, the shape agrees at least so much, and the figure is no
farther than that from its time's place on the way."""


def scenes(folder):
    """Folders of the scenes in a folder, by name."""
    found = sorted(path.parent for path in Path(folder).glob("*/true_00.png"))
    return {path.name: path for path in found}


class Figure:
    """A picture `[h, w, 3 or 4]` with its figure: what is opaque, or what differs from the ground."""

    def __init__(self, picture, ground):
        self.colours = picture[..., :3].astype(np.int16)
        if ground is None:
            mask = picture[..., 3] > 127
        else:
            mask = np.abs(self.colours - ground).max(-1) > APART
        self.mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
        self.area = int(self.mask.sum())
        self.outline = int(((self.colours.max(-1) < DARK) & self.mask).sum())
        self.waves = np.fft.rfft2(self.mask.astype(np.float32))

    @property
    def middle(self):
        """Row and column of the middle."""
        return np.array([places.mean() for places in np.nonzero(self.mask)]) if self.area else np.zeros(2)

    @property
    def pieces(self):
        """Number of pieces."""
        _, _, stats, _ = cv2.connectedComponentsWithStats(self.mask.astype(np.uint8), connectivity=8)
        return int((stats[1:, cv2.CC_STAT_AREA] >= PIECE).sum())

    def agrees(self, true):
        """Share of the pixels of both figures that agree in colour, at the best shift within a third: 0..=1."""
        if not self.area:
            return 0.0
        height, width = self.mask.shape
        likely = np.fft.irfft2(true.waves * np.conj(self.waves), self.mask.shape)
        rows, columns = np.nonzero(true.mask)
        wanted, best = true.colours[rows, columns], 0.0
        for at in np.argpartition(likely.ravel(), -SHIFTS)[-SHIFTS:]:
            dy, dx = (int(d) for d in np.unravel_index(at, likely.shape))
            dy, dx = dy - height * (dy > height // 2), dx - width * (dx > width // 2)
            if abs(dx) > width // 3 or abs(dy) > height // 3:
                continue
            y, x = rows - dy, columns - dx
            common = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            common[common] = self.mask[y[common], x[common]]
            y, x, colours = y[common], x[common], wanted[common]
            alike = np.zeros(len(y), bool)
            for v, u in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
                beside = self.colours[(y + v) % height, (x + u) % width]
                alike |= np.abs(beside - colours).max(-1) < ALIKE
            best = max(best, alike.sum() / max(1, self.area + true.area - len(y)))
        return float(best)


def spans(parts):
    """Numbers of true drawings, for a scene cut into so many spans: first key, last key, in-betweens of each."""
    length = COUNT // parts
    steps = min(IN_BETWEENS + 1, length)
    return [
        (first, first + length, [first + length * n // steps for n in range(1, steps)])
        for first in range(0, COUNT, length)
    ]


class Scene:
    """The true drawings of a scene."""

    def __init__(self, folder, with_alpha=True):
        self.true = [raw(Path(folder) / f"true_{number:02}.png") for number in range(COUNT + 1)]
        if self.true[0].shape[2] == 4 and not with_alpha:
            self.true = [over(picture) for picture in self.true]
        self.ground, self.has_figure = None, True
        if self.true[0].shape[2] == 3:
            self.ground = np.median(np.stack(self.true), axis=0).astype(np.int16)
            shown = sum((np.abs(picture - self.ground).max(-1) <= SAME).astype(np.int16) for picture in self.true)
            self.has_figure = bool((shown >= STEADY * len(self.true)).mean() >= STEADY)
        self.figures = [Figure(picture, self.ground) for picture in self.true]

    def judge(self, first, last, number, drawn):
        """Scores of the in-between drawn in place of true drawing `number` of the span between two true drawings.

        `error`: mean difference, of 255, what is transparent seen over a plain ground. With a figure also `area` and
        `line`, ratios to the most similar true drawing's; `pieces` more than that has; `shape`, see `Figure.agrees`;
        `way`, how far its middle has come; and `whole`.
        """
        row = {"error": float(np.abs(over(drawn).astype(np.int16) - over(self.true[number])).mean())}
        if not self.has_figure:
            return row
        figure, late = Figure(drawn, self.ground), int(LATE * (last - first))
        near = range(max(first + 1, number - late), min(last - 1, number + late) + 1)
        shape, true = max(((figure.agrees(self.figures[n]), self.figures[n]) for n in near), key=lambda one: one[0])
        begin, end = (self.figures[n].middle for n in (first, last))
        far, share = end - begin, (number - first) / (last - first)
        way = float((figure.middle - begin) @ far / (far @ far)) if np.hypot(*far) > 20 else share
        row |= {
            "area": figure.area / max(1, true.area),
            "line": figure.outline / max(1, true.outline),
            "pieces": figure.pieces - true.pieces,
            "shape": shape,
            "way": way,
        }
        same = abs(row["area"] - 1) < AREA and abs(row["line"] - 1) < LINE and row["pieces"] <= 0
        return row | {"whole": bool(same and shape >= SHAPE and abs(way - share) <= WAY)}


def over(picture, ground=128):
    """What is transparent seen over plain grey, as methods that know no transparency are shown it."""
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:].astype(np.float32) / 255
    return (picture[..., :3] * alpha + np.float32(ground) * (1 - alpha)).round().astype(np.uint8)
