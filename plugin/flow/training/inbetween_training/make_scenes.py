"""Draws scenes into a folder, a shard at a time; run it again to go on where it stopped.

python -m inbetween_training.make_scenes data --scenes 4000
"""

import argparse
import time
from pathlib import Path

import cv2
import torch

from .drawings import Bank
from .pause import wait_while
from .samples import write_shard


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--shard", type=int, default=50, help="scenes of one file")
    parser.add_argument("--size", type=int, default=288, help="side in pixels, a multiple of 8")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sprites", type=int, default=1500)
    parser.add_argument("--grounds", type=int, default=150)
    parser.add_argument("--pause", type=Path, help="wait while this file exists")
    args = parser.parse_args()
    if args.size % 8:
        parser.error(f"--size {args.size}: give a multiple of 8")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    name = f"{args.seed}-{args.sprites}-{args.grounds}.npz"
    bank = Bank.load_or_draw(args.folder / "bank" / name, args.seed, args.sprites, args.grounds)
    for number in range(-(-args.scenes // args.shard)):
        path = args.folder / f"scenes-{args.seed}-{number:05}.npz"
        if path.exists():
            continue
        wait_while(args.pause)
        begin = time.monotonic()
        write_shard(path, bank, [args.seed, number], args.shard, args.size)
        print(f"{path.name}: {(time.monotonic() - begin) / args.shard:.2f} s per scene", flush=True)


if __name__ == "__main__":
    main()
