"""Samples for training: scenes drawn in advance on a CPU, or each one new on a GPU.

A sample holds, for a picture of side `s`: `frames [3, 3, s, s]` (first key, in-between, last key),
`time`, `motion [4, s/2, s/2]` and `seen [2, s/2, s/2]` (in-between to either key), `between
[4, s/8, s/8]` (first to last key and back), and `starts [n, 4, s/8, s/8]`, what classical methods make
of that. All flows are in pixels of the full picture.
"""

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from . import compose, starts
from .compose import Plates
from .scenes import NEAR, batch, sample

CELL = 8
MATCHED = 12
"""Pixels of a coarse matching cell, as the product has them on pictures of its working size."""
STARTS = ("dis", "hypotheses")
GRAIN = 3 / 255
"""Strongest grain, standard deviation; half of the samples have none."""


def make(plates, scenes):
    """Draws scenes with everything that is exact. → dictionary of tensors, batch first."""
    drawn = [compose.draw(plates, scenes, k) for k in range(3)]
    front = [layers for _, layers in drawn]
    motion, seen = zip(*(compose.flow(scenes, front, 1, j) for j in (0, 2)))
    between = [compose.flow(scenes, front, *way, stride=CELL)[0] for way in ((0, 2), (2, 0))]
    return {
        "frames": torch.stack([picture for picture, _ in drawn], 1),
        "time": scenes.time,
        "motion": torch.cat(motion, 1),
        "seen": torch.cat(seen, 1),
        "between": torch.cat(between, 1),
    }


def classical_starts(frames):
    """Start flows of one sample by each of `STARTS`: `[n, 4, s/8, s/8]`."""
    first, last = ((frames[k].permute(1, 2, 0) * 255).round().byte().numpy() for k in (0, 2))
    greys = starts.grey(first), starts.grey(last)
    cells = max(first.shape[:2]) // MATCHED
    pairs = (starts.dis(*greys), starts.dis(*greys[::-1])), starts.hypotheses(first, last, cells)
    return torch.from_numpy(np.stack([starts.both_to_cells(first, last, pair) for pair in pairs]))


def write_shard(path, bank, seed, count, size):
    """Draws `count` scenes and writes them as one file, complete or not at all."""
    rng, plates, made = np.random.default_rng(seed), Plates(bank), []
    for _ in range(count):
        one = make(plates, batch([sample(rng, bank, size)], size))
        one = {name: value[0] for name, value in one.items()}
        one["starts"] = classical_starts(one["frames"])
        made.append(one)
    stacked = {name: torch.stack([one[name] for one in made]).numpy() for name in made[0]}
    stored = {name: value.astype(np.float16) for name, value in stacked.items() if name != "time"}
    stored["frames"] = (stacked["frames"] * 255).round().clip(0, 255).astype(np.uint8)
    stored["seen"] = stacked["seen"].astype(np.uint8)
    beside = Path(path).with_suffix(".part.npz")
    np.savez(beside, time=stacked["time"], **stored)
    os.replace(beside, path)


class Stored:
    """Shards in a folder; files that appear while training goes on are taken up."""

    def __init__(self, folder, seed=0, held_out=1):
        self.folder, self.held_out = Path(folder), held_out
        self.rng = random.Random(seed)
        self.shards, self.checked = {}, 0.0
        self.refresh()

    def files(self):
        """All complete shards, in order; the first ones are held out."""
        return sorted(p for p in self.folder.glob("*.npz") if not p.name.endswith(".part.npz"))

    def refresh(self):
        """Looks for new shards, at most twice a minute."""
        if time.monotonic() - self.checked < 30 and self.shards:
            return
        self.checked = time.monotonic()
        for path in self.files()[self.held_out :]:
            if path not in self.shards:
                self.shards[path] = load(path)

    def __len__(self):
        return sum(len(shard["time"]) for shard in self.shards.values())

    def batch(self, count, crop, motion=None):
        """Random samples, cropped to this side; their motion is what it is."""
        self.refresh()
        if not self.shards:
            raise FileNotFoundError(
                f"{self.folder} holds no scenes: run `python -m inbetween_training.make_scenes` first"
            )
        picked = []
        for _ in range(count):
            shard = self.shards[self.rng.choice(list(self.shards))]
            picked.append(cut(one_of(shard, self.rng.randrange(len(shard["time"]))), crop, self.rng))
        return {name: torch.stack([one[name] for one in picked]) for name in picked[0]}

    def validation(self, count):
        """The held-out samples, whole."""
        held = [load(path) for path in self.files()[: self.held_out]]
        ones = [one_of(shard, i) for shard in held for i in range(len(shard["time"]))]
        if not ones:
            raise FileNotFoundError(f"{self.folder} holds no scenes")
        return [{name: value[None] for name, value in one.items()} for one in ones[:count]]


def load(path):
    """A shard's arrays, in memory as stored."""
    with np.load(path) as stored:
        return dict(stored)


def one_of(shard, i):
    """Sample `i` of a shard as float tensors."""
    one = {name: torch.from_numpy(np.ascontiguousarray(value[i])) for name, value in shard.items() if name != "time"}
    one = {name: value.float() for name, value in one.items()}
    one["frames"] = one["frames"] / 255
    one["time"] = torch.tensor(float(shard["time"][i]))
    return one


def cut(one, crop, rng):
    """A random window of a sample, on whole cells."""
    size = one["frames"].shape[-1]
    if crop >= size:
        return one
    top, left = (CELL * rng.randrange((size - crop) // CELL + 1) for _ in range(2))
    out = {"time": one["time"]}
    for name, value in one.items():
        if name != "time":
            k = size // value.shape[-1]
            out[name] = value[..., top // k : (top + crop) // k, left // k : (left + crop) // k]
    return out


class Numbers(IterableDataset):
    """Endless batches of scenes as numbers; each worker has its own row of random numbers."""

    def __init__(self, bank, count, size, motion, seed):
        self.bank, self.count, self.size, self.motion, self.seed = bank, count, size, motion, seed

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng([*self.seed, worker.id if worker else 0])
        moves = replace(NEAR, farthest=self.motion)
        while True:
            scenes = [sample(rng, self.bank, self.size, moves) for _ in range(self.count)]
            yield batch(scenes, self.size)


class Live:
    """Every sample new: workers think scenes up, a device poses and composes them. No classical starts."""

    def __init__(self, bank, seed, device, workers=0):
        # Workers need the styles and shapes of the drawings, not their pixels.
        self.index = replace(bank, sprites=None, grounds=None)
        self.plates = Plates(bank, device)
        self.seed, self.workers = seed, workers
        self.asked, self.stream, self.begun = None, None, 0

    @torch.no_grad()
    def batch(self, count, crop, motion=0.43):
        """New samples drawn at the side `crop`, in which figures go up to `motion` of it."""
        if self.asked != (count, crop, motion):
            self.asked, self.begun = (count, crop, motion), self.begun + 1
            numbers = Numbers(self.index, count, crop, motion, [*self.seed, self.begun])
            self.stream = iter(DataLoader(numbers, batch_size=None, num_workers=self.workers))
        return make(self.plates, next(self.stream).to(self.plates.device))


def flip(flow, axis):
    """Negates one axis (0 right, 1 down) of stacked flows `[..., 2 n, h, w]`."""
    sign = flow.new_ones(flow.shape[-3])
    sign[axis::2] = -1
    return flow * sign[:, None, None]


FLOWS = ("motion", "between", "starts")


def augment(one, rng):
    """Mirrors, turns, reverses and recolours a batch; the whole batch alike but for colour."""
    one = dict(one)
    grids = [name for name in one if name != "time"]
    for axis, dim in ((0, -1), (1, -2)):
        if rng.random() < 0.5:
            for name in grids:
                one[name] = one[name].flip(dim)
                if name in FLOWS:
                    one[name] = flip(one[name], axis)
    if rng.random() < 0.5:  # over the diagonal: right becomes down
        for name in grids:
            one[name] = one[name].transpose(-1, -2)
            if name in FLOWS:
                shape = one[name].shape
                one[name] = one[name].unflatten(-3, (-1, 2)).flip(-3).reshape(shape)
    if rng.random() < 0.5:  # backwards in time
        one["frames"], one["seen"], one["time"] = one["frames"].flip(1), one["seen"].flip(1), 1 - one["time"]
        for name in FLOWS:
            if name in one:
                one[name] = one[name].roll(2, -3)
    frames = one["frames"]
    count, device = len(frames), frames.device
    order = torch.stack([torch.tensor(rng.sample(range(3), 3)) for _ in range(count)]).to(device)
    frames = torch.stack([frame[:, o] for frame, o in zip(frames, order)])
    inverted = torch.tensor([rng.random() < 0.15 for _ in range(count)], device=device)[:, None, None, None, None]
    frames = torch.where(inverted, 1 - frames, frames)
    gamma = torch.tensor([rng.uniform(0.7, 1.4) for _ in range(count)], device=device)[:, None, None, None, None]
    one["frames"] = frames.clamp(1e-4, 1) ** gamma
    return one


def grainy(one, rng):
    """A batch with grain on its keys, each its own, fine or clotted; the in-between stays clean."""
    frames = one["frames"]
    strength = torch.tensor([max(0.0, rng.uniform(-GRAIN, GRAIN)) for _ in frames], device=frames.device)
    grain = torch.randn_like(frames)
    if rng.random() < 0.5:
        grain = 2 * F.avg_pool2d(F.pad(grain.flatten(0, 1), (0, 1, 0, 1), mode="replicate"), 2, 1).view_as(frames)
    grain[:, 1] = 0
    return {**one, "frames": (frames + strength.view(-1, 1, 1, 1, 1) * grain).clamp(0, 1)}


def spoil(exact, generator):
    """A start flow that errs as estimates do, made from the exact one `[b, 4, h, w]`.

    Places take the motion of places beside them, blocks lose their motion or get a wrong one,
    and everything is a little off.
    """
    b, _, h, w = exact.shape

    def noise(rows, columns, channels):
        return torch.randn(b, channels, rows, columns, generator=generator).to(exact.device)

    def smooth(cells, channels):
        return F.interpolate(noise(cells, cells, channels), size=(h, w), mode="bicubic", align_corners=False)

    level = torch.rand(b, 1, 1, 1, generator=generator).to(exact.device)
    y, x = torch.meshgrid(torch.arange(h, device=exact.device), torch.arange(w, device=exact.device), indexing="ij")
    reach = 2.5 * level[:, 0]
    dx, dy = (smooth(max(3, h // 3), 2) * reach[:, None]).unbind(1)
    column, row = (x + dx).round().long().clamp(0, w - 1), (y + dy).round().long().clamp(0, h - 1)
    moved = exact.flatten(2).gather(2, (row * w + column).flatten(1)[:, None].expand(-1, 4, -1)).view_as(exact)
    lost = smooth(4, 1) > 2.2 - level
    wrong = smooth(5, 1) > 2.4 - level
    still = moved.median(3, keepdim=True).values.median(2, keepdim=True).values.expand_as(moved)
    moved = torch.where(lost, still, moved)
    moved = torch.where(wrong, moved + 24 * smooth(2, 4), moved)
    return moved + smooth(max(3, h // 4), 4) * (0.1 + 1.5 * level)
