"""Pairs of keys for the matcher, small and far apart, with the exact motion between them.

A pair holds `keys [2, 3, h, w]`, and for its cells `flow [4, h / 4, w / 4]`, first to last key and back, in cells, and
`seen [2, ...]`, 1 where the other key shows the cell too. Batches put the first keys' side before the last keys' one.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from . import compose, starts
from .compose import Plates
from .matcher import CELL, LONG_SIDE
from .scenes import FAR, NEAR, batch, sample

SIDES = ((7 / 12, 0.55), (3 / 4, 0.25), (1, 0.1), (4 / 3, 0.1))
"""Heights of pictures in parts of their width, and how often each is drawn."""
FARTHER = 0.75
"""Share of scenes with keys far apart."""
NEW = 4
"""One pair of so many in a batch is new, once enough are kept."""
KEPT = 3000
"""Pairs of a size that are kept to be seen again in other light."""
UNRELATED = 0.03
"""Share of pairs of which the last key is another scene's: cuts."""
ENLARGED = 3
"""Held-out pairs are drawn so much larger, reduced for the matcher and given to others as they are."""
BINS = (0, 10, 40, 80, 160, math.inf)
"""Sizes of motion by which errors are told, in pixels of pictures of 512."""


def shape(rng, long_side):
    """A height and a width, multiples of 8, whose product is about that of a wide picture with this longer side."""
    sides, shares = zip(*SIDES)
    side = rng.choice(sides, p=shares)
    width = math.sqrt(long_side**2 * SIDES[0][0] / side)
    return tuple(int(round(length / 8)) * 8 for length in (width * side, width))


def drawn(plates, rng, size, enlarged=1):
    """Draws one pair; enlarged also the large keys. → keys as bytes, flow, seen"""
    moves = FAR if rng.random() < FARTHER else NEAR
    large = tuple(enlarged * side for side in size)
    scenes = batch([sample(rng, plates.index, large, moves)], large)
    (first, front), (last, back) = (compose.draw(plates, scenes, k) for k in (0, 2))
    front, stride = [front, None, back], CELL * enlarged
    ways = [compose.flow(scenes, front, *way, stride=stride) for way in ((0, 2), (2, 0))]
    flow = torch.cat([flow[0] for flow, _ in ways]) / stride
    seen = torch.cat([seen[0] for _, seen in ways])
    keys = torch.cat((first, last))
    small = F.avg_pool2d(keys, enlarged) if enlarged > 1 else keys
    keys, small = ((p * 255).round().byte() for p in (keys, small))
    return {"keys": small, "flow": flow, "seen": seen} | ({"large": keys} if enlarged > 1 else {})


class Pairs:
    """Endless batches: a quarter new pairs, the others seen before."""

    def __init__(self, bank, seed):
        self.plates, self.rng = Plates(bank), np.random.default_rng(seed)
        self.plates.index = bank
        self.kept = {}

    @torch.no_grad()
    def batch(self, count, long_side):
        """`count` pairs of one size."""
        size = shape(self.rng, long_side)
        kept = self.kept.setdefault(size, [])
        old = [kept[i] for i in self.rng.integers(0, len(kept), count - count // NEW)] if len(kept) >= 4 * count else []
        new = [drawn(self.plates, self.rng, size) for _ in range(count - len(old))]
        for one in new:
            if len(kept) < KEPT:
                kept.append(one)
            else:
                kept[self.rng.integers(KEPT)] = one
        return joined(self.mirrored(one) for one in old + new)

    def mirrored(self, one):
        """A pair mirrored or backwards in time, or as it is."""
        one = dict(one)
        for axis, dim in ((0, -1), (1, -2)):
            if self.rng.random() < 0.5:
                one = {name: value.flip(dim) for name, value in one.items()}
                sign = torch.ones(4, 1, 1)
                sign[axis::2] = -1
                one["flow"] = one["flow"] * sign
        if self.rng.random() < 0.5:
            one = {"keys": one["keys"].flip(0), "flow": one["flow"].roll(2, 0), "seen": one["seen"].flip(0)}
        return one

    def unrelated(self, one):
        """Gives some pairs of a batch another pair's last key. → batch, `[b]`, 1 where the keys belong together"""
        count = len(one["keys"])
        cut = torch.from_numpy(self.rng.random(count) < UNRELATED) & (count > 1)
        keys = one["keys"].clone()
        keys[cut, 1] = one["keys"].roll(1, 0)[cut, 1]
        related = (~cut).float()
        return {**one, "keys": keys, "seen": one["seen"] * related[:, None, None, None]}, related


def joined(pairs):
    """Pairs as a batch of floats; keys 0..=1."""
    pairs = list(pairs)
    out = {name: torch.stack([one[name] for one in pairs]).float() for name in ("keys", "flow", "seen")}
    return {**out, "keys": out["keys"] / 255}


def both_ways(one):
    """A batch's flow and visibility as the matcher gives them: `[2 b, 2, h, w]`, `[2 b, 1, h, w]`."""
    return torch.cat(one["flow"].chunk(2, 1)), torch.cat(one["seen"].chunk(2, 1))


def drawn_part(keys):
    """How much there is to match at each cell, 0.1 to 1: `[b, 2, 3, h, w]` → `[2 b, 1, h / 4, w / 4]`."""
    keys = torch.cat(keys.unbind(1))
    most, least = (F.max_pool2d(sign * keys, CELL).amax(1, keepdim=True) for sign in (1, -1))
    contrast = F.max_pool2d(most, 3, 1, 1) + F.max_pool2d(least, 3, 1, 1)
    return 0.1 + 0.9 * (contrast / 0.1).clamp(max=1)


def lit(keys, rng):
    """Keys `[b, 2, 3, h, w]` in other light: both recoloured alike, then each with its own gain, tint, gamma, veil,
    ramp of light, softness and grain, as matching must depend on none of them."""
    b, height, width = len(keys), *keys.shape[-2:]

    def number(low, high, share=1.0, per=2, channels=1):
        """Uniform numbers, for some of the keys; 0 for the others."""
        value = rng.uniform(low, high, (b, per, channels, 1, 1)) * (rng.random((b, per, 1, 1, 1)) < share)
        return torch.from_numpy(value).float()

    order = torch.from_numpy(np.stack([rng.permutation(3) for _ in range(b)]))
    keys = keys.gather(2, order[:, None, :, None, None].expand_as(keys))
    inverted = number(1, 1, 0.15, 1)
    keys = (inverted + keys * (1 - 2 * inverted)).clamp(1e-4, 1) ** number(-0.35, 0.35, 1, 1).exp()
    if rng.random() < 0.25:
        return keys
    keys = keys ** number(-0.4, 0.4, 0.4).exp()
    keys = keys * number(-0.6, 0.3, 0.4).exp() * number(-0.3, 0.3, 0.3, channels=3).exp()
    veil = number(0, 0.6, 0.2)
    keys = keys * (1 - veil) + veil * torch.from_numpy(rng.random((b, 2, 3, 1, 1))).float()
    x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)[:, None]
    keys = keys * (1 + number(-0.4, 0.4, 0.2) * x + number(-0.4, 0.4, 0.2) * y)
    soft = number(0, 0.5, 0.3)
    blurred = F.avg_pool2d(F.pad(keys.flatten(0, 1), (1, 1, 1, 1), mode="replicate"), 3, 1).view_as(keys)
    keys = keys + soft * (blurred - keys)
    fine = torch.from_numpy(rng.standard_normal((b, 2, 1, height, width), np.float32))
    coarse = torch.from_numpy(rng.standard_normal((2 * b, 1, height // 4, width // 4), np.float32))
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    keys = keys + number(0, 0.06, 0.4) * fine + number(0, 0.06, 0.2) * coarse.view_as(fine)
    return keys.clamp(0, 1)


def held_out(bank, seed, count, long_side=LONG_SIDE):
    """Pairs that are never trained on, each with the flows that others find on the large keys, by name, in cells."""
    plates, rng = Plates(bank), np.random.default_rng(seed)
    plates.index = bank
    size = tuple(int(round(long_side * side / 8)) * 8 for side in (SIDES[0][0], 1))
    pairs = []
    with torch.no_grad():
        for _ in range(count):
            one = drawn(plates, rng, size, ENLARGED)
            first, last = (key.permute(1, 2, 0).contiguous().numpy() for key in one.pop("large"))
            greys = starts.grey(first), starts.grey(last)
            others = {
                "dis": (starts.dis(*greys, finest=0), starts.dis(*greys[::-1], finest=0)),
                "start": starts.hypotheses(first, last),
            }
            one["others"] = {name: in_cells(pair) for name, pair in others.items()}
            one["others"]["still"] = torch.zeros_like(one["flow"])
            pairs.append(one)
    return pairs


def in_cells(pair):
    """Large flows `[h, w, 2]` both ways at the cells' centres, in cells: `[4, h / 12, w / 12]`."""
    stride = CELL * ENLARGED
    half = slice(stride // 2, None, stride)
    return torch.from_numpy(np.concatenate([flow[half, half].transpose(2, 0, 1) for flow in pair])) / stride


def errors(flow, one):
    """Error of `flow [4, h, w]` in cells on one held-out pair where both keys show the cell: rows of length of the
    exact motion and error, in pixels of pictures of 512: `[n, 2]`."""
    scale = 512 / max(one["keys"].shape[-2:]) * CELL
    exact, found = (f.unflatten(0, (2, 2)) for f in (one["flow"], flow))
    rows = torch.stack((exact.norm(dim=1), (found - exact).norm(dim=1)), -1)[one["seen"] > 0.5]
    return rows * scale


def by_motion(rows):
    """Mean error and % of cells more than a cell off, by size of motion and for all that moves 10 pixels."""
    out = {}
    for low, high in [*zip(BINS, BINS[1:]), (BINS[1], math.inf)]:
        of_size = rows[(rows[:, 0] >= low) & (rows[:, 0] < high), 1]
        name = f"{low}-{high}" if high < math.inf else f"{low}-"
        if len(of_size):
            off = (of_size > 512 / LONG_SIDE * CELL).float().mean()
            out[name] = [round(of_size.mean().item(), 2), round(100 * off.item(), 1)]
    return out
