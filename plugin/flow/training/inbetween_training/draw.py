"""Draws in-betweens with given weights in the way the product does. Keys are `[h, w, 3]` RGB bytes."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from . import starts
from .export import read_checkpoint
from .network import CELL, settle

WORKING = 640
"""Longest side of the pictures that the network sees."""


def tensor(picture):
    """RGB bytes → `[1, 3, h, w]` of whole cells, the border repeated."""
    height, width = picture.shape[:2]
    x = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None] / 255
    return F.pad(x, (0, -width % CELL, 0, -height % CELL), mode="replicate")


class Tweener:
    """A network that draws the in-between of two keys at a position 0..=1."""

    def __init__(self, net, start=None, hard=True, working=WORKING):
        self.net, self.hard, self.working = net.eval(), hard, working
        self.start = start or net.config.start

    def found(self, first, last):
        """Start flows on pictures of working size; the matcher needs none, but the cut test does."""
        if self.start == "hypotheses":
            return starts.hypotheses(first, last)
        greys = starts.grey(first), starts.grey(last)
        return starts.dis(*greys), starts.dis(*greys[::-1])

    @torch.no_grad()
    def motion(self, first, last, time, flows):
        """Motion and mask at working size: `[5, h, w]`."""
        a, b = tensor(first), tensor(last)
        start = None
        if self.start != "matcher":
            start = torch.from_numpy(starts.both_to_cells(first, last, flows))[None]
        time = torch.tensor([time], dtype=torch.float32)
        out = self.net(a, b, time, start)
        motion = settle(out, time) if self.hard else out["motion"]
        return motion[0, :, : first.shape[0], : first.shape[1]].numpy()

    def __call__(self, first, last, time):
        height, width = first.shape[:2]
        scale = min(1.0, self.working / max(height, width))
        size = (round(width * scale), round(height * scale))
        small = [p if scale == 1 else cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (first, last)]
        flows = self.found(*small)
        if starts.is_cut(*small, *flows):
            return first if time < 0.5 else last
        return paint(first, last, self.motion(*small, time, flows))


def paint(first, last, motion):
    """Moves both keys at full size and joins them. `motion: [5, h, w]` at any size."""
    height, width = first.shape[:2]
    scale = np.float32([width / motion.shape[2], height / motion.shape[1]] * 2 + [1])
    full = cv2.resize(motion.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR) * scale
    places = starts.grid(height, width)
    moved = [
        cv2.remap(key, places + full[..., k : k + 2], None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for key, k in ((first, 0), (last, 2))
    ]
    mask = 1 / (1 + np.exp(-np.clip(full[..., 4:], -20, 20)))
    return np.clip(mask * moved[0] + (1 - mask) * moved[1], 0, 255).round().astype(np.uint8)


def tweener(weights, start=None):
    """Weights in a file as a method like those of `peers`: its name, and a function of two keys and positions."""
    net = Tweener(read_checkpoint(weights), start)
    return f"{weights.stem}-{net.start}", lambda first, last, times: [net(first, last, time) for time in times]
