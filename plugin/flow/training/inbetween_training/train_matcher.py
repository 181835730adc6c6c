"""Trains the matcher on pairs of keys that are drawn meanwhile; stop it at any time and give the same command to go on.

python -m inbetween_training.train_matcher runs/matcher --samples 400000
"""

import argparse
import copy
import json
import math
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from .drawings import Bank
from .matcher import LONG_SIDE, Config, Matcher, grid
from .pairs import Pairs, both_ways, by_motion, drawn_part, errors, held_out, lit
from .pause import wait_while

CLIP = 1.0
"""Largest norm of a step's gradient."""
OCCLUDED = 0.25
"""Weight of the motion of cells that the other key does not show."""
FIRST = (0.3, 128)
"""Part of the run during which pairs are smaller, and their longer side: four times as many of them teach the
attention what to look for."""
RISE = 300
"""Steps over which the learning rate rises."""
LOW = 0.03
"""Part of the learning rate that is left at the end."""
AVERAGE = 0.999
"""Decay of the averaged weights, which are what is exported."""
SAVE = 180
"""Seconds between checkpoints."""


def damped(distance):
    """Distances in cells of which large ones count less and less."""
    return 6 * torch.log1p(distance / 6)


def mean(value, weight):
    """Weighted mean."""
    return (value * weight).sum() / weight.sum().clamp(min=1)


def surprise(out, exact):
    """Negative logarithm of the probability that the correlation gives the exact place: `[2 b, n]`, in nats."""
    height, width = exact.shape[-2:]
    places = (grid(height, width, exact.device) + exact).flatten(2)
    limit = exact.new_tensor((width - 1, height - 1)).view(1, 2, 1)
    places = places.clamp(min=0).minimum(limit)
    corner = places.floor()
    x, y = (places - corner).unbind(1)
    cells, shares = [], []
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = (corner[:, 0] + right).clamp(max=width - 1), (corner[:, 1] + down).clamp(max=height - 1)
        cells.append((row * width + column).long())
        shares.append((x if right else 1 - x) * (y if down else 1 - y))
    cells, shares = torch.stack(cells, -1), torch.stack(shares, -1)
    score = out["score"]
    found = torch.cat([table.gather(2, i) for table, i in zip((score, score.transpose(1, 2)), cells.chunk(2))])
    return out["total"] - (found + (shares + 1e-6).log()).logsumexp(2)


def losses(out, one, related):
    """What is asked of the matcher. → sum, values by name"""
    exact, seen = both_ways(one)
    related = related.repeat(2).view(-1, 1, 1, 1)
    worth = drawn_part(one["keys"])
    shown = worth * seen
    weight = worth * related * (OCCLUDED + (1 - OCCLUDED) * seen)
    parts = {"place": mean(surprise(out, exact)[:, None], shown.flatten(2))}
    apart = [(flow - exact).norm(dim=1, keepdim=True) for flow in out["flows"]]
    parts["flow"] = sum(share * mean(damped(a), weight) for share, a in zip((0.5, 0.7, 1.0), apart))
    parts["found"] = mean(damped((out["found"] - exact).norm(dim=1, keepdim=True)), shown)
    says, sure = 0.0, 0.0
    for said, trusted, a in zip(out["seen"], out["sure"], apart[1:]):
        says = says + mean(F.binary_cross_entropy_with_logits(said, seen, reduction="none"), worth)
        right = (a.detach() < 1).float() * related
        sure = sure + mean(F.binary_cross_entropy_with_logits(trusted, right, reduction="none"), worth)
    parts["seen"], parts["sure"] = says / len(out["seen"]), sure / len(out["sure"])
    total = parts["place"] + parts["flow"] + 0.2 * parts["found"] + 0.3 * (parts["seen"] + parts["sure"])
    return total, parts | {"off": mean(apart[-1], shown)}


class Run:
    """Everything that a checkpoint holds: weights, their average, the optimiser, and how far it got."""

    def __init__(self, config, rate):
        self.peak = rate
        self.net = Matcher(config).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), rate, weight_decay=1e-4)
        self.step, self.samples, self.seconds = 0, 0, 0.0

    def save(self, path):
        """Writes a checkpoint, complete or not at all."""
        beside = path.with_suffix(".part")
        torch.save(
            {
                "config": self.net.config.to_json(),
                "net": self.net.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "progress": (self.step, self.samples, self.seconds),
            },
            beside,
        )
        os.replace(beside, path)

    def load(self, path):
        """Goes on from a checkpoint."""
        stored = torch.load(path, weights_only=True)
        self.net.load_state_dict(stored["net"])
        self.average.load_state_dict(stored["average"])
        self.optimiser.load_state_dict(stored["optimiser"])
        self.step, self.samples, self.seconds = stored["progress"]

    def rate(self, done):
        """Learning rate when this part of the run is over, 0..=1: it rises, and falls as a cosine."""
        fall = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))
        return self.peak * min(1.0, (self.step + 1) / RISE) * (LOW + (1 - LOW) * fall)

    def learn(self, one, related, keys, done):
        """One step on a batch, whose keys are seen in other light. → values of the losses by name"""
        first, last = (key.contiguous(memory_format=torch.channels_last) for key in keys.unbind(1))
        value, parts = losses(self.net(first, last), one, related)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(done)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        if torch.isfinite(norm):
            self.optimiser.step()
        keep = min(AVERAGE, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
        self.step += 1
        self.samples += len(keys)
        return {name: value.item() for name, value in parts.items()}


@torch.no_grad()
def validate(net, held, seed=7):
    """Errors on held-out pairs as they are and in other light, by size of motion; and what its words are worth."""
    out = {}
    for light in ("same", "other"):
        rng, rows, words = np.random.default_rng(seed), [], []
        for one in held:
            keys = one["keys"][None].float() / 255
            keys = lit(keys, rng) if light == "other" else keys
            found = net(keys[:, 0], keys[:, 1])
            rows.append(errors(torch.cat(list(found["flows"][-1])), one))
            words.append(found["sure"][-1].sigmoid()[:, 0][one["seen"] > 0.5])
        rows, words = torch.cat(rows), torch.cat(words)
        out[light] = by_motion(rows)
        if light == "same":
            trusted = by_motion(rows[words > 0.5])
            out["trusted"] = {"share": round(100 * (words > 0.5).float().mean().item(), 1), **trusted}
    return out


def compared(held):
    """The same for the methods that it is compared with."""
    names = held[0]["others"]
    return {name: by_motion(torch.cat([errors(one["others"][name], one) for one in held])) for name in names}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="checkpoints and log go here")
    parser.add_argument("--samples", type=int, default=400_000, help="length of the run, by which the rate falls")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5e-4, help="highest learning rate")
    parser.add_argument("--begin-from", type=Path, help="weights to start with: a checkpoint or an exported file")
    parser.add_argument("--done", type=int, default=0, help="pairs that those weights have seen")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sprites", type=int, default=2000, help="drawings that scenes are made of")
    parser.add_argument("--held-out", type=int, default=64, help="pairs that validation looks at")
    parser.add_argument("--check-every", type=int, default=10_000, help="samples between validations")
    parser.add_argument("--log-every", type=int, default=100, help="steps")
    parser.add_argument("--pause", type=Path, help="wait while this file exists")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def kept(path, make):
    """A file's content, made when it is not there."""
    if not path.exists():
        torch.save(make(), path)
    return torch.load(path, weights_only=True)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    newest = args.folder / "newest.pt"
    run = Run(Config(), args.rate)
    if newest.exists():
        run.load(newest)
    elif args.begin_from:
        from .export import read_checkpoint

        weights = read_checkpoint(args.begin_from).state_dict()
        run.net.load_state_dict(weights)
        run.average.load_state_dict(weights)
        run.samples = args.done
    bank = Bank.load_or_draw(
        args.folder / f"bank-{args.seed}-{args.sprites}.npz", args.seed, args.sprites, args.sprites // 8
    )
    # Other drawings than those of the training.
    held = kept(
        args.folder / f"held-out-{args.held_out}.pt",
        lambda: held_out(Bank.draw(args.seed + 1000, 300, 40), args.seed + 1000, args.held_out),
    )
    pairs = Pairs(bank, [args.seed, run.step])
    log = (args.folder / "log.jsonl").open("a")

    def note(**values):
        print(json.dumps(values), file=log, flush=True)
        print(values, flush=True)

    note(step=run.step, compared=compared(held))
    stopped, sums, saved = [], {}, time.monotonic()
    checked = run.samples // args.check_every
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    while run.samples < args.samples and not stopped:
        if args.pause and args.pause.exists():
            run.save(newest)
            wait_while(args.pause, stopped)
            continue
        begin, done = time.monotonic(), run.samples / args.samples
        one, related = pairs.unrelated(pairs.batch(args.batch, FIRST[1] if done < FIRST[0] else LONG_SIDE))
        drawing = time.monotonic() - begin
        parts = run.learn(one, related, lit(one["keys"], pairs.rng), done)
        run.seconds += time.monotonic() - begin
        for name, value in (*parts.items(), ("drawing", drawing / (time.monotonic() - begin))):
            sums.setdefault(name, []).append(value)
        if run.step % args.log_every == 0:
            means = {name: round(sum(values) / len(values), 4) for name, values in sums.items()}
            note(step=run.step, samples=run.samples, minutes=round(run.seconds / 60, 1), rate=run.rate(done), **means)
            sums = {}
        if time.monotonic() - saved > SAVE:
            run.save(newest)
            saved = time.monotonic()
        if run.samples // args.check_every > checked:
            checked = run.samples // args.check_every
            note(step=run.step, samples=run.samples, validation=validate(run.average, held))
    run.save(newest)
    note(step=run.step, samples=run.samples, validation=validate(run.average, held))


if __name__ == "__main__":
    main()
