"""Draws in-betweens with given weights in the way the product does. Keys are `[h, w, 3]` RGB bytes."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from . import starts
from .export import read_checkpoint
from .network import CELL, warp

WORKING = 640
"""Longest side of the pictures that the network sees."""
DISAGREE = 10 / 255
"""Difference of the moved keys from which a pixel comes from one of them alone."""


def box(x, radius):
    """Mean over a square, the border repeated."""
    return F.avg_pool2d(F.pad(x, [radius] * 4, mode="replicate"), 2 * radius + 1, 1)


def settle(motion, first, last, time):
    """Hardens the mask where the moved keys disagree: a pick, not a blend. `motion: [b, 5, h, w]`."""
    moved = warp(first, motion[:, :2]) - warp(last, motion[:, 2:4])
    differ = box(moved.abs().amax(1, keepdim=True), 1)
    lean = 0.15 if time < 0.5 else -0.15 if time > 0.5 else 0.1
    odds = motion[:, 4:]
    hard = (box(odds, 4) + lean) * (1 + differ * (255 / 6))
    return torch.cat((motion[:, :4], torch.where(differ > DISAGREE, hard, odds)), 1)


def tensor(picture):
    """RGB bytes → `[1, 3, h, w]` of whole cells, the border repeated."""
    height, width = picture.shape[:2]
    x = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None] / 255
    return F.pad(x, (0, -width % CELL, 0, -height % CELL), mode="replicate")


def start_cells(pair, size):
    """Flows of both ways in pixels `[h, w, 2]` → start `[1, 4, h / 8, w / 8]`."""
    flow = torch.from_numpy(np.concatenate(pair, -1).transpose(2, 0, 1).astype(np.float32))[None]
    flow = F.pad(flow, (0, size[1] - flow.shape[3], 0, size[0] - flow.shape[2]), mode="replicate")
    return F.avg_pool2d(flow, CELL)


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
        start = None if self.start == "matcher" else start_cells(flows, a.shape[-2:])
        motion = self.net(a, b, torch.tensor([time], dtype=torch.float32), start)["motion"]
        if self.hard:
            motion = settle(motion, a, b, time)
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
