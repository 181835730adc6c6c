"""Writes a checkpoint's averaged weights as the file that the product loads: half precision, with its configuration.

python -m inbetween_training.export runs/small/newest.pt flow.safetensors --version 2026-11
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from . import matcher
from .network import Config, TweenNet

LIMIT = 10 * 1024 * 1024
"""Largest weight file that the product ships, bytes."""


def untrained(text=None):
    """The network that a configuration describes, TweenNet or the matcher; without one the smallest TweenNet."""
    if text and json.loads(text)["architecture"] == "matcher":
        return matcher.Matcher(matcher.Config.from_json(text))
    return TweenNet(Config.from_json(text) if text else Config())


def read_checkpoint(path):
    """A network with a checkpoint's averaged weights, or with those of an exported file."""
    if Path(path).suffix == ".safetensors":
        return read_export(path)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    net = untrained(stored.get("config"))
    net.load_state_dict(stored.get("average", stored))
    return net.eval()


def read_export(path):
    """A network from an exported file."""
    with safe_open(path, framework="pt") as stored:
        net = untrained(stored.metadata()["config"])
        net.load_state_dict({key: stored.get_tensor(key).float() for key in stored.keys()})
    return net.eval()


def export(net, path, version, start=None):
    """Writes the weights, a TweenNet's with where its first flow comes from. Refuses numbers that half precision cannot
    hold."""
    weights = {key: value.detach().half().contiguous() for key, value in net.state_dict().items()}
    broken = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"these weights are not finite in half precision: {', '.join(broken)}")
    config = replace(net.config, version=version, **({"start": start} if start else {}))
    save_file(weights, path, metadata={"config": config.to_json(), "format": "pt"})
    size = Path(path).stat().st_size
    if size > LIMIT:
        raise ValueError(f"{path} takes {size} bytes, more than the {LIMIT} that the product ships")
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--version", required=True, help="names the weights; part of the engine's version")
    parser.add_argument("--start", choices=("dis", "hypotheses", "matcher"), default="hypotheses")
    args = parser.parse_args()
    net = read_checkpoint(args.checkpoint)
    size = export(net, args.file, args.version, args.start if isinstance(net, TweenNet) else None)
    print(f"{args.file}: {size} bytes")


if __name__ == "__main__":
    main()
