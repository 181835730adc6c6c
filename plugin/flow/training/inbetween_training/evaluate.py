"""Draws a set of in-betweens whose truth is known and compares methods on it.

    python -m inbetween_training.evaluate SET --weights flow.safetensors --starts hypotheses dis --others

`SET/manifest.json` has `items`, each with the file names `i0`, `i1` and `gt` (null for a cut), the
position `t`, an `id`, and perhaps `motion_bin`, by which means are shown apart.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch

from . import metrics
from .draw import Tweener, others
from .export import read_checkpoint


def read(path):
    """A picture as RGB bytes."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f"{path} cannot be read as a picture")
    return picture[..., ::-1].copy()


def run(folder, items, method, keep=None):
    """Draws and scores all items. → rows by item."""
    rows = []
    for item in items:
        first, last = read(folder / item["i0"]), read(folder / item["i1"])
        drawn = method(first, last, item["t"])
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(keep / f"{item['id']}.png"), drawn[..., ::-1])
        if item["gt"] is None:
            rows.append({"id": item["id"], "cut": metrics.cut_distance(first, last, drawn)})
            continue
        row = metrics.score(first, last, read(folder / item["gt"]), drawn)
        rows.append({"id": item["id"], "bin": item.get("motion_bin", ""), **row})
    return rows


def means(rows):
    """Mean of each measure over all items, of chamfer by motion bin, and of the cuts."""
    scored = [row for row in rows if "psnr" in row]
    out = {name: float(np.mean([row[name] for row in scored])) for name in metrics.NAMES} if scored else {}
    for name in sorted({row["bin"] for row in scored} - {""}):
        out[f"chamfer {name}"] = float(np.mean([row["chamfer"] for row in scored if row["bin"] == name]))
    cuts = [row["cut"] for row in rows if "cut" in row]
    return {**out, "cut": float(np.mean(cuts))} if cuts else out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="checkpoints or exported files")
    parser.add_argument("--starts", nargs="*", default=[None], help="instead of the weights' own")
    parser.add_argument("--soft", action="store_true", help="leave the mask as the network gives it")
    parser.add_argument("--others", action="store_true", help="also dissolve, Farneback, DIS, minterpolate")
    parser.add_argument("--keep", type=Path, help="write the drawn pictures here, a folder per method")
    parser.add_argument("--json", type=Path, help="write all scores here")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    items = json.loads((args.set / "manifest.json").read_text())["items"]
    methods = others() if args.others else {}
    for weights in args.weights:
        for start in args.starts:
            tweener = Tweener(read_checkpoint(weights), start, hard=not args.soft)
            methods[f"{weights.stem}-{tweener.start}"] = tweener
    if not methods:
        parser.error("give --weights or --others")
    results = {}
    for name, method in methods.items():
        rows = run(args.set, items, method, args.keep and args.keep / name)
        results[name] = {"means": means(rows), "items": rows}
        print(name, "  ".join(f"{k} {v:.3f}" for k, v in results[name]["means"].items()), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
