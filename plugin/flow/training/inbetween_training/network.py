"""TweenNet: from two keys and a first flow to the motion and the mask of an in-between.

Module names are the keys of the weight file, which the product reads by the same names. Sizes live
in `Config`, which travels in the file's metadata.
"""

import json
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

CELL = 8
"""Pictures are a multiple of this on both sides; the first flow has one vector per cell."""
DISAGREE = 10 / 255
"""Difference of the moved keys from which a pixel comes from one of them alone."""
HARDEN = 20 / 255
"""Difference that doubles the mask's log odds there."""
BEFORE = 0.25
"""How much more a cell counts for each squared cell that it moves against the ground, up to `FAR` cells."""
FAR = 8.0
HOLE = 1e-4
"""Splat weight below which a cell counts as not reached."""


@dataclass(frozen=True)
class Config:
    """Sizes: `channels` of the encoder at 1/2, 1/4, 1/8; `hidden` of the decoder at 1/8, 1/4, 1/2."""

    channels: tuple = (16, 32, 64)
    hidden: tuple = (64, 48, 32)
    attention: int = 1
    start: str = "hypotheses"
    version: str = "untrained"
    architecture: str = "tweennet"

    def to_json(self):
        """As it stands in the weight file's metadata under `config`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text):
        """The reverse of `to_json`."""
        values = json.loads(text)
        return cls(**{**values, "channels": tuple(values["channels"]), "hidden": tuple(values["hidden"])})


SIZES = {
    "small": Config(),
    "mid": Config(channels=(24, 48, 96), hidden=(96, 64, 48), attention=2),
    "full": Config(channels=(32, 64, 128), hidden=(160, 96, 64), attention=3),
}


def grid(height, width, device):
    """Pixel coordinates `[1, 2, h, w]`, right then down."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack((x, y))[None]


def warp(x, flow):
    """Samples `x [b, c, h, w]` where `flow [b, 2, h, w]` points; the border repeats."""
    height, width = x.shape[-2:]
    places = grid(height, width, x.device) + flow.float()
    scale = places.new_tensor((2 / max(width - 1, 1), 2 / max(height - 1, 1))).view(1, 2, 1, 1)
    places = (places * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(x, places.to(x.dtype), mode="bilinear", padding_mode="border", align_corners=True)


def twice(x):
    """`[b, c, h, w]` → `[b, c, 2 h, 2 w]`"""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def splat(values, flow, weight):
    """Adds values where `flow` carries them, shared among four cells. → sums, weights.

    `values: [b, c, h, w]`, `flow: [b, 2, h, w]`, `weight: [b, 1, h, w]`
    """
    b, c, height, width = values.shape
    places = grid(height, width, values.device) + flow
    corner = places.floor()
    source = torch.cat((values * weight, weight), 1).flatten(2)
    out = values.new_zeros(b, c + 1, height * width)
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        cell = corner + corner.new_tensor(step).view(1, 2, 1, 1)
        share = (1 - (places - cell).abs()).prod(1)
        x, y = cell.unbind(1)
        share = share * ((x >= 0) & (x < width) & (y >= 0) & (y < height))
        index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).long().flatten(1)
        out.scatter_add_(2, index[:, None].expand(-1, c + 1, -1), source * share.flatten(1)[:, None])
    out = out.view(b, c + 1, height, width)
    return out[:, :c], out[:, c:]


def fill_holes(x, known):
    """Replaces cells where `known [b, 1, h, w]` is 0 by what surrounds them, from coarse to fine."""
    if bool((known > 0).all()):
        return x
    levels = [(x * known, known)]
    while max(levels[-1][1].shape[-2:]) > 1:
        size = [-(-side // 2) for side in levels[-1][1].shape[-2:]]
        levels.append(tuple(F.interpolate(v, size=size, mode="area") for v in levels[-1]))
    below = levels[-1][0] / levels[-1][1].clamp(min=1e-6)
    for values, weight in reversed(levels[:-1]):
        below = F.interpolate(below, size=weight.shape[-2:], mode="bilinear", align_corners=False)
        keep = weight.clamp(max=1)
        below = torch.where(weight > 0, (1 - keep) * below + keep * values / weight.clamp(min=1e-6), below)
    return torch.where(known > 0, x, below)


def flow_at(between, trust, time):
    """Flows between the keys → flows seen from the in-between, to the first and to the last key.

    `between: [b, 4, h, w]` first to last and back, `trust: [b, 2, h, w]`, `time: [b]` → `[b, 4, h, w]`
    """
    t = time.view(-1, 1, 1, 1)
    f01, f10 = between.split(2, 1)
    forth = splat(torch.cat((-t * f01, (1 - t) * f01), 1), t * f01, trust[:, :1] * (1 - t) + 1e-3)
    back = splat(torch.cat((t * f10, -(1 - t) * f10), 1), (1 - t) * f10, trust[:, 1:] * t + 1e-3)
    total, weight = forth[0] + back[0], forth[1] + back[1]
    for _ in range(4):
        hole = weight < HOLE
        near = F.avg_pool2d(F.pad(torch.cat((total, weight), 1), (3, 3, 3, 3), mode="replicate"), 7, 1)
        total, weight = torch.where(hole, near[:, :4], total), torch.where(hole, near[:, 4:], weight)
    return fill_holes(total / (weight + 1e-6), (weight >= HOLE).float())


def before_ground(between, trust):
    """Lets cells decide that move against the ground, where several arrive: what moves lies before what rests.

    `between: [b, 4, h, w]`, `trust: [b, 2, h, w]` → how much each cell counts, `[b, 2, h, w]`
    """
    ground = between.flatten(2).median(2).values[..., None, None]
    away = (between - ground).unflatten(1, (2, 2)).norm(dim=2).clamp(max=FAR)
    return trust * (1 + BEFORE * away.square())


def conv(inputs, outputs, stride=1):
    """Convolution with its activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.1))


class Res(nn.Module):
    """`x + b(a(x))` with activations, `[b, c, h, w]` → the same."""

    def __init__(self, channels):
        super().__init__()
        self.a = conv(channels, channels)
        self.b = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x):
        return F.leaky_relu(x + self.b(self.a(x)), 0.1)


class Attn(nn.Module):
    """`x` looks at `y`: `[b, n, d]` → `[b, n, d]`."""

    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.m = nn.Sequential(nn.Linear(2 * d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.n = nn.LayerNorm(d)

    def forward(self, x, y):
        seen = F.scaled_dot_product_attention(self.q(x)[:, None], self.k(y)[:, None], self.v(y)[:, None])
        return x + self.n(self.m(torch.cat((x, self.o(seen[:, 0])), -1)))


def position_code(height, width, d, device):
    """Sines and cosines of column and row: `[1, h w, d]`"""
    places = grid(height, width, device)[0]
    speed = torch.exp(torch.linspace(0, -4.6, d // 4, device=device))
    parts = [wave(places[i][..., None] * speed) for i in (0, 1) for wave in (torch.sin, torch.cos)]
    return torch.cat(parts, -1).reshape(1, height * width, d)


class Dec(nn.Module):
    """One level of the decoder: corrects the motion and the mask of the coarser one."""

    def __init__(self, features, hidden, before):
        super().__init__()
        self.inp = conv(2 * features + 6 + before, hidden)
        self.r = Res(hidden)
        self.o = nn.Conv2d(hidden, 5, 3, 1, 1)
        nn.init.zeros_(self.o.weight)
        nn.init.zeros_(self.o.bias)

    def forward(self, f0, f1, motion, time, *more):
        """`motion: [b, 5, h, w]`, flows to both keys and log odds → corrected, hidden `[b, c, h, w]`."""
        flow, odds = motion[:, :4], motion[:, 4:]
        t = time.view(-1, 1, 1, 1).expand(-1, 1, *motion.shape[-2:])
        x = torch.cat((warp(f0, flow[:, :2]), warp(f1, flow[:, 2:]), flow / 16, odds, t, *more), 1)
        hidden = self.r(self.inp(x))
        return motion + self.o(hidden).float(), hidden


def finer(motion):
    """Motion at twice the size: flows grow along, log odds stay."""
    return twice(motion) * motion.new_tensor((2, 2, 2, 2, 1)).view(1, 5, 1, 1)


class TweenNet(nn.Module):
    """The network; see `forward`."""

    def __init__(self, config=SIZES["small"]):
        super().__init__()
        self.config = config
        (a, b, d), (h3, h2, h1) = config.channels, config.hidden
        self.e1 = nn.Sequential(conv(3, a, 2), conv(a, a))
        self.e2 = nn.Sequential(conv(a, b, 2), Res(b))
        self.e3 = nn.Sequential(conv(b, d, 2), Res(d), Res(d))
        self.sa = nn.ModuleList(Attn(d) for _ in range(config.attention))
        self.ca = nn.ModuleList(Attn(d) for _ in range(config.attention))
        self.proj, self.pk = nn.Linear(d, d), nn.Linear(d, d)
        self.temp = nn.Parameter(torch.tensor(2.0))
        self.d3, self.d2, self.d1 = Dec(d, h3, 0), Dec(b, h2, h3), Dec(a, h1, h2 + 9)

    def encode(self, picture):
        """`[b, 3, h, w]` → features at 1/2, 1/4 and 1/8."""
        a = self.e1(picture - 0.5)
        b = self.e2(a)
        return a, b, self.e3(b)

    def match(self, first, last):
        """All cells with all: features `[b, d, h, w]` → `between`, `trust`, and `between` before spreading."""
        b, d, h, w = first.shape
        code = 0.3 * position_code(h, w, d, first.device)
        x, y = (f.flatten(2).transpose(1, 2) + code for f in (first, last))
        for own, cross in zip(self.sa, self.ca):
            x, y = own(x, x), own(y, y)
            x, y = cross(x, y), cross(y, x)
        with torch.autocast(first.device.type, enabled=False):
            x, y = x.float(), y.float()
            p, q = (F.normalize(F.linear(v, self.proj.weight, self.proj.bias), dim=-1) for v in (x, y))
            score = p @ q.transpose(1, 2) * self.temp.exp() * 4
            places = grid(h, w, first.device).flatten(2).transpose(1, 2)
            forth, back = score.softmax(2), score.softmax(1)
            raw = forth @ places - places, back.transpose(1, 2) @ places - places
            mutual = forth * back
            trust = mutual.amax(2), mutual.amax(1)
            spread = []
            for cells, flow in zip((x, y), raw):
                k = F.linear(cells, self.pk.weight, self.pk.bias)
                spread.append((k @ k.transpose(1, 2) / d**0.5).softmax(-1) @ flow)

        def planes(pair):
            return torch.cat([v.transpose(1, 2).reshape(b, -1, h, w) for v in pair], 1)

        return planes(spread), torch.stack(trust, 1).view(b, 2, h, w), planes(raw)

    @staticmethod
    def given(start):
        """A start flow from elsewhere, `[b, 4, h, w]` in pixels per cell → `between`, `trust`."""
        between = start.float() / CELL
        forth, back = between.split(2, 1)
        error = [(f + warp(g, f)).norm(dim=1) for f, g in ((forth, back), (back, forth))]
        return between, torch.exp(-torch.stack(error, 1))

    def forward(self, first, last, time, start=None):
        """Motion and mask of the in-between at `time: [b]` of `first, last: [b, 3, h, w]`.

        `start`: see `given`; without it the matcher finds the first flow. → dictionary: `levels`,
        `[b, 5, h / k, w / k]` for k = 8, 4, 2 (flows to both keys in pixels of that level, log odds
        of the first key); `motion`, the same at full size; `first`, `last`, the moved keys;
        `matched`, the matcher's flows in cells, spread and raw, when it ran.
        """
        f0, f1 = self.encode(first), self.encode(last)
        matched = None
        if start is None:
            between, trust, raw = self.match(f0[2], f1[2])
            matched = between, raw
        else:
            between, trust = self.given(start)
        flow = flow_at(between, before_ground(between, trust), time)
        odds = torch.log((1 - time) / time).view(-1, 1, 1, 1).expand(-1, 1, *flow.shape[-2:])
        at8, hidden = self.d3(f0[2], f1[2], torch.cat((flow, odds), 1), time)
        at4, hidden = self.d2(f0[1], f1[1], finer(at8), time, twice(hidden))
        motion = finer(at4)
        w0, w1 = (warp(F.avg_pool2d(k, 2), motion[:, i : i + 2]) for k, i in ((first, 0), (last, 2)))
        at2, _ = self.d1(f0[0], f1[0], motion, time, twice(hidden), w0, w1, w0 - w1)
        motion = finer(at2)
        return {
            "levels": (at8, at4, at2),
            "motion": motion,
            "first": warp(first, motion[:, :2]),
            "last": warp(last, motion[:, 2:4]),
            "matched": matched,
        }


def box(x, radius):
    """Mean over a square, the border repeated."""
    return F.avg_pool2d(F.pad(x, [radius] * 4, mode="replicate"), 2 * radius + 1, 1)


def settle(out, time):
    """The motion with the mask hardened where the moved keys disagree, as the product does it: a pick, not a blend.

    Leans a little to the nearer key, `time: [b]`. → `[b, 5, h, w]`
    """
    differ = box((out["first"] - out["last"]).abs().amax(1, keepdim=True), 1)
    lean = torch.where(time < 0.5, 0.15, torch.where(time > 0.5, -0.15, 0.1)).view(-1, 1, 1, 1)
    flows, odds = out["motion"].split((4, 1), 1)
    hard = (box(odds, 2) + lean) * (1 + differ / HARDEN)
    return torch.cat((flows, torch.where(differ > DISAGREE, hard, odds)), 1)


def blend(out, motion=None):
    """The in-between as the mask of `motion` (the network's own where None) joins the moved keys: `[b, 3, h, w]`."""
    mask = torch.sigmoid((out["motion"] if motion is None else motion)[:, 4:])
    return mask * out["first"] + (1 - mask) * out["last"]
