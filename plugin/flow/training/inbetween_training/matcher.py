"""The matcher: finds where things went between two keys that lie far apart, on small copies of both.

It sees both pictures whole, on copies whose longer side is about `LONG_SIDE`: a convolutional encoder, attention
over all cells of 8 pixels within and between the keys, the soft correlation of all cells of `CELL` pixels with all,
motion handed on from cells that are sure of theirs to those that are not, and a few rounds of refinement.
Module names are the keys of the weight file.
"""

import json
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .network import Res, conv, grid, position_code, twice, warp

CELL = 4
"""Pixels of the small copy on each side of a cell; pictures are a multiple of twice that."""
LONG_SIDE = 192
"""Longer side of the small copies that it learns on."""
NEAR = 2
"""Cells around the best match over which its place is averaged, and around a motion that is looked at to refine it."""
LEAST = 0.02
"""Agreement that a cell with none counts as."""


@dataclass(frozen=True)
class Config:
    """Sizes: `channels` of the encoder at 1/2, 1/4 and 1/8; `blocks` of attention with `heads`; channels of what is
    correlated, of what is compared when motion is handed on, and of the refinement, which runs `rounds` times."""

    channels: tuple = (24, 48, 96)
    blocks: int = 3
    heads: int = 4
    descriptor: int = 64
    handed: int = 32
    hidden: int = 48
    rounds: int = 2
    version: str = "untrained"
    architecture: str = "matcher"

    def to_json(self):
        """As it stands in the weight file's metadata under `config`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text):
        """The reverse of `to_json`."""
        values = json.loads(text)
        return cls(**{**values, "channels": tuple(values["channels"])})


def even(pictures):
    """Pictures `[b, 3, h, w]` without their own light: mean 0 in each channel, spread about 1."""
    level = pictures - pictures.mean((2, 3), keepdim=True)
    return level / (level.square().mean((1, 2, 3), keepdim=True).sqrt() + 0.05)


class Look(nn.Module):
    """Attention of cells `x` to cells `y`, `[b, n, d]` each."""

    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.n = nn.LayerNorm(d)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, y):
        x, y = self.n(x), self.n(y)
        rows = self.q(x), self.k(y), self.v(y)
        q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in rows)
        return self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Cells of both keys, `[2 b, n, d]` with the first keys first, look at their own key, then at the other one."""

    def __init__(self, d, heads):
        super().__init__()
        self.own, self.other = Look(d, heads), Look(d, heads)
        self.m = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.GELU("tanh"), nn.Linear(2 * d, d))

    def forward(self, x):
        x = x + self.own(x, x)
        x = x + self.other(x, x.roll(len(x) // 2, 0))
        return x + self.m(x)


def around(cells, height, width, reach):
    """Cells by number `[...]` → numbers of those from `reach[0]` to `reach[1]` beside them, `[..., n]`, held at the
    borders, and which of them lie in the picture."""
    steps = torch.arange(reach[0], reach[1] + 1, device=cells.device)
    y = (cells // width)[..., None] + steps.repeat_interleave(len(steps))
    x = (cells % width)[..., None] + steps.repeat(len(steps))
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return y.clamp(0, height - 1) * width + x.clamp(0, width - 1), inside


class Matcher(nn.Module):
    """The network; see `forward`."""

    def __init__(self, config=None):
        super().__init__()
        self.config = config = config or Config()
        a, b, d = config.channels
        self.e1 = nn.Sequential(conv(3, a, 2), conv(a, a))
        self.e2 = nn.Sequential(conv(a, b, 2), Res(b))
        self.e3 = nn.Sequential(conv(b, d, 2), Res(d))
        self.blocks = nn.ModuleList(Block(d, config.heads) for _ in range(config.blocks))
        self.n = nn.LayerNorm(d)
        self.up = nn.Linear(d, b)
        self.join = conv(2 * b, config.descriptor)
        self.proj = nn.Linear(config.descriptor, config.descriptor)
        self.temp = nn.Parameter(torch.tensor(3.0))
        self.hq, self.hk = (nn.Linear(config.descriptor, config.handed - 1) for _ in range(2))
        self.sure = nn.Parameter(torch.tensor(5.0))
        self.g = nn.Linear(config.descriptor, config.handed)
        looked = (2 * NEAR + 1) ** 2
        self.inp = conv(config.handed + looked + 8, config.hidden)
        self.r = Res(config.hidden)
        self.out = nn.Conv2d(config.hidden, 4, 3, 1, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def describe(self, pictures):
        """`[2 b, 3, h, w]` → what each cell shows and where it belongs, `[2 b, c, h / 4, w / 4]`."""
        fine = self.e2(self.e1(even(pictures)))
        coarse = self.e3(fine)
        height, width = coarse.shape[-2:]
        cells = coarse.flatten(2).transpose(1, 2) + position_code(height, width, coarse.shape[1], coarse.device)
        for block in self.blocks:
            cells = block(cells)
        seen = self.up(self.n(cells)).transpose(1, 2).unflatten(2, (height, width))
        return self.join(torch.cat((fine, twice(seen)), 1))

    def correlate(self, cells):
        """All cells of the first keys with all of the last keys: `[2 b, n, c]` → scores `[b, n, n]`."""
        first, last = F.normalize(self.proj(cells), dim=-1).chunk(2)
        return (first * self.temp.exp()) @ last.transpose(1, 2)

    @staticmethod
    def match(score, height, width):
        """Best place of each cell and how far both ways agree on it: `[2 b, n, 2]` in cells, `[2 b, n]`, first to last
        keys, then back; and `[2 b, n]`, by which scores become logarithms of match probabilities."""
        where = grid(height, width, score.device).flatten(2)[0].T
        total = [score.logsumexp(2), score.logsumexp(1)]
        flows, agreed = [], []
        for table, own, other in zip((score, score.transpose(1, 2)), total, total[::-1]):
            places, inside = around(table.detach().argmax(2), height, width, (-NEAR, NEAR))
            near = table.gather(2, places).masked_fill(~inside, -math.inf)
            flows.append((near.softmax(2)[..., None] * where[places]).sum(2) - where)
            arrived = other.gather(1, places.flatten(1)).view_as(near)
            agreed.append((near - 0.5 * (own[..., None] + arrived)).exp().sum(2))
        return torch.cat(flows), torch.cat(agreed), torch.cat(total)

    def hand_on(self, cells, flow, agreed):
        """Own motion as far as both ways agree on it, else that of the cells that are like each one, those that agree
        counting more: `[2 b, n, 2]`."""
        trust = (agreed + LEAST).log()[..., None]
        q = torch.cat((self.hq(cells), self.sure.expand_as(trust)), -1)
        k = torch.cat((self.hk(cells), trust), -1)
        # One more channel adds the trust; the motion is filled up to as many.
        v = F.pad(flow, (0, q.shape[-1] - 2))
        given = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0, :, :2]
        return given + agreed[..., None].clamp(max=1) * (flow - given)

    def look(self, score, flow):
        """Scores around where motion leads, `[2 b, 2, h, w]` → `[2 b, 25, h, w]`."""
        b, _, height, width = flow.shape
        places = (grid(height, width, flow.device) + flow).flatten(2)
        limit = flow.new_tensor((width - 1, height - 1)).view(1, 2, 1)
        places = places.clamp(min=0).minimum(limit)
        corner = places.floor()
        cells = (corner[:, 1] * width + corner[:, 0]).long()
        near, _ = around(cells, height, width, (-NEAR, NEAR + 1))
        looked = torch.cat([t.gather(2, i) for t, i in zip((score, score.transpose(1, 2)), near.chunk(2))])
        side = 2 * NEAR + 2
        looked = looked.view(b, -1, side, side) / self.temp.exp().detach()
        x, y = (places - corner)[..., None, None].unbind(1)
        looked = looked[..., :-1] * (1 - x) + looked[..., 1:] * x
        looked = looked[..., :-1, :] * (1 - y) + looked[..., 1:, :] * y
        return looked.flatten(2).transpose(1, 2).unflatten(2, (height, width))

    def refine(self, cells, score, flow, found, agreed):
        """One round: planes `[2 b, c, h, w]`, scores, motion, and what the correlation found. → motion, log odds that
        the other key shows the cell, and that the motion is right within a cell."""
        b, _, height, width = flow.shape
        places = grid(height, width, flow.device) + flow
        looked = self.look(score, flow)
        back = flow.roll(b // 2, 0)
        error = flow + warp(back, flow)
        size = flow.new_tensor((width - 1, height - 1)).view(1, 2, 1, 1)
        outside = ((places < 0) | (places > size)).any(1, keepdim=True).float()
        x = torch.cat((cells, 3 * looked, flow / 8, (found - flow) / 8, error / 8, agreed, outside), 1)
        change = self.out(self.r(self.inp(x)))
        return flow + change[:, :2], change[:, 2:]

    def forward(self, first, last):
        """Motion both ways between `first, last: [b, 3, h, w]`. → dictionary of planes `[2 b, c, h / 4, w / 4]`, first
        to last key, then back: `flows` in cells, the best one last; `seen` and `sure`, log odds of each round; and
        `found` with `agreed` as the correlation says, `score` and `total` as in `match`."""
        x = self.describe(torch.cat((first, last)))
        height, width = x.shape[-2:]
        cells = x.flatten(2).transpose(1, 2)
        score = self.correlate(cells)
        found, agreed, total = self.match(score, height, width)
        handed = self.hand_on(cells, found, agreed.detach())

        def planes(rows):
            return rows.transpose(1, 2).unflatten(2, (height, width))

        flows, words = [planes(handed)], []
        found, agreed, g = planes(found), planes(agreed[..., None]), planes(self.g(cells))
        for _ in range(self.config.rounds):
            flow, said = self.refine(g, score.detach(), flows[-1].detach(), found.detach(), agreed.detach())
            flows.append(flow)
            words.append(said)
        return {
            "flows": flows,
            "seen": [said[:, :1] for said in words],
            "sure": [said[:, 1:] for said in words],
            "found": found,
            "agreed": agreed,
            "score": score,
            "total": total,
        }
