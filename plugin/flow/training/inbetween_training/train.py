"""Trains the network; stop it at any time and give the same command to go on.

python -m inbetween_training.train runs/small --scenes data --plan finetune --minutes 60
python -m inbetween_training.train runs/mid --live --size mid --plan gpu --minutes 25 --device cuda
"""

import argparse
import copy
import json
import math
import os
import random
import signal
import time
from pathlib import Path

import torch

from . import losses
from .curriculum import PLANS
from .drawings import Bank
from .network import SIZES, Config, TweenNet, blend
from .pause import wait_while
from .samples import STARTS, Live, Stored, augment, grainy, spoil

CLIP = 1.0
"""Largest norm of a step's gradient."""


class Run:
    """Everything that a checkpoint holds: weights, their average, the optimiser, and how far it got."""

    def __init__(self, config, plan, device, order=torch.channels_last):
        self.config, self.plan, self.device, self.order = config, plan, torch.device(device), order
        self.net = TweenNet(config).to(self.device, memory_format=order)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), plan.rate, weight_decay=1e-4)
        self.step, self.samples, self.seconds = 0, 0, 0.0

    def save(self, path):
        """Writes a checkpoint, complete or not at all."""
        beside = path.with_suffix(".part")
        torch.save(
            {
                "config": self.config.to_json(),
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
        stored = torch.load(path, map_location=self.device, weights_only=True)
        if Config.from_json(stored["config"]).channels != self.config.channels:
            raise ValueError(f"{path} holds a network of other sizes: give the --size it was begun with")
        self.net.load_state_dict(stored["net"])
        self.average.load_state_dict(stored["average"])
        self.optimiser.load_state_dict(stored["optimiser"])
        self.step, self.samples, self.seconds = stored["progress"]

    def begin_from(self, path):
        """Takes only weights: another run's checkpoint or a plain state dictionary."""
        stored = torch.load(path, map_location=self.device, weights_only=True)
        weights = stored.get("average", stored)
        self.net.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def rate(self, done):
        """Learning rate of this step when this part of the time is over."""
        plan = self.plan
        rise = min(1.0, (self.step + 1) / plan.warm_up)
        return plan.low + rise * (plan.rate - plan.low) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))

    def learn(self, sample, start, stage, done, half):
        """One step. → values of the losses by name."""
        frames, moment = sample["frames"], sample["time"]
        first, last = (frames[:, k].contiguous(memory_format=self.order) for k in (0, 2))
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            if stage.matcher_only:
                features = [self.net.encode(key)[2] for key in (first, last)]
                spread, _, raw = self.net.match(*features)
                value = losses.match((spread, raw), sample["between"])
                parts = {"match": value}
            else:
                out = self.net(first, last, moment, start)
        if not stage.matcher_only:
            value, parts = losses.total(out, sample)
            parts["psnr"] = psnr(blend(out).detach().float(), frames[:, 1])
        rate = self.rate(done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        if torch.isfinite(norm):
            self.optimiser.step()
        keep = min(self.plan.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
        self.step += 1
        self.samples += len(frames)
        return {name: value.detach() for name, value in parts.items()}


def psnr(drawn, truth):
    """Mean over the batch, dB."""
    return (-10 * torch.log10((drawn - truth).square().mean((1, 2, 3)) + 1e-9)).mean()


def pick_start(sample, kinds, rng, generator):
    """One of a stage's starts for the whole batch or, where they come from outside, for each sample."""
    known = {k: v for k, v in kinds.items() if k not in STARTS or "starts" in sample}
    if rng.random() < known.get("matcher", 0) / sum(known.values()):
        return None
    outside = {k: v for k, v in known.items() if k != "matcher"}
    spoilt = spoil(sample["between"], generator)
    chosen = []
    for i in range(len(spoilt)):
        kind = rng.choices(list(outside), outside.values())[0]
        given = {"spoilt": spoilt, "exact": sample["between"]}.get(kind)
        chosen.append(given[i] if given is not None else sample["starts"][i, STARTS.index(kind)])
    return torch.stack(chosen)


@torch.no_grad()
def validate(net, held_out):
    """Mean PSNR over held-out scenes from either classical start, without the last settling of the mask."""
    results = {}
    for number, name in enumerate(STARTS):
        values = []
        for one in held_out:
            start = one["starts"][:, number]
            out = net(one["frames"][:, 0], one["frames"][:, 2], one["time"], start)
            values.append(psnr(blend(out).float(), one["frames"][:, 1]).item())
        results[name] = round(sum(values) / len(values), 3)
    return results


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="checkpoints and log go here")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--scenes", type=Path, help="folder that make_scenes filled")
    source.add_argument("--live", action="store_true", help="draw every sample anew on the device")
    parser.add_argument("--sprites", type=int, default=4000, help="drawings that live scenes are made of")
    parser.add_argument("--workers", type=int, default=0, help="processes that think up live scenes")
    parser.add_argument("--plan", choices=PLANS, default="finetune")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--begin-from", type=Path, help="weights to start with")
    parser.add_argument("--minutes", type=float, required=True, help="whole length of the run, pauses not counted")
    parser.add_argument("--threads", type=int, default=1, help="on shared cores one is faster than two")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full-precision", action="store_true", help="no bfloat16")
    parser.add_argument("--planes", action="store_true", help="channels one after the other in memory")
    parser.add_argument("--pause", type=Path, help="wait while this file exists")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=100, help="steps")
    parser.add_argument("--held-out", type=int, default=16, help="scenes that validation draws")
    parser.add_argument("--keep-every", type=float, default=15, help="minutes between checkpoints that stay")
    return parser.parse_args()


def source_of(args, device, step):
    """Where samples come from, and the held-out ones."""
    if args.scenes:
        stored = Stored(args.scenes, args.seed)
        return stored, stored.validation(args.held_out)
    bank = Bank.load_or_draw(
        args.folder / f"bank-{args.seed}-{args.sprites}.npz", args.seed, args.sprites, args.sprites // 10
    )
    return Live(bank, [args.seed, step], device, args.workers), []


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    plan, newest = PLANS[args.plan], args.folder / "newest.pt"
    order = torch.contiguous_format if args.planes else torch.channels_last
    run = Run(SIZES[args.size], plan, args.device, order)
    if newest.exists():
        run.load(newest)
    elif args.begin_from:
        run.begin_from(args.begin_from)
    rng = random.Random(args.seed + run.step)
    generator = torch.Generator().manual_seed(args.seed + run.step)
    source, held_out = source_of(args, run.device, run.step)
    log = (args.folder / "log.jsonl").open("a")

    def note(**values):
        print(json.dumps(values), file=log, flush=True)
        print(values, flush=True)

    if held_out:
        note(step=run.step, validation=validate(run.average, held_out))
    total, sums, since, saved = args.minutes * 60, {}, 0, time.monotonic()
    kept = run.seconds // (60 * args.keep_every)
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    while run.seconds < total and not stopped:
        if args.pause and args.pause.exists():
            run.save(newest)
            wait_while(args.pause, stopped)
            continue
        begin = time.monotonic()
        done = run.seconds / total
        stage = plan.stage(done)
        sample = grainy(augment(source.batch(stage.batch, stage.crop, stage.motion), rng), rng)
        sample = {name: value.to(run.device) for name, value in sample.items()}
        start = pick_start(sample, stage.starts, rng, generator)
        parts = run.learn(sample, start, stage, done, half=not args.full_precision)
        for name, value in parts.items():
            sums.setdefault(name, []).append(value)
        run.seconds += time.monotonic() - begin
        since += 1
        if since == args.log_every:
            means = {k: round(torch.stack(v).mean().item(), 4) for k, v in sums.items()}
            note(step=run.step, samples=run.samples, minutes=round(run.seconds / 60, 1), rate=run.rate(done), **means)
            sums, since = {}, 0
        if time.monotonic() - saved > 120:
            run.save(newest)
            saved = time.monotonic()
        if run.seconds // (60 * args.keep_every) > kept:
            kept = run.seconds // (60 * args.keep_every)
            run.save(args.folder / f"step-{run.step:07}.pt")
            if held_out:
                note(step=run.step, validation=validate(run.average, held_out))
    run.save(newest)
    if held_out and not stopped:
        note(step=run.step, validation=validate(run.average, held_out))


if __name__ == "__main__":
    main()
