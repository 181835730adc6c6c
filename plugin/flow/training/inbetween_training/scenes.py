"""What moves in a scene: jointed figures of sprites over a background, under a camera.

A scene is numbers only; `compose` draws it. Three times are kept for each: the first key, the
in-between and the last key.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from .drawings import FILL, LIMBS, SHAPES, STYLES

LAYERS = 16
"""Sprites of a scene at most; the background is one more layer, number 0."""
WAVES = 2
"""Sine waves of a sprite's bend."""
BOIL = 24
"""Side of the noise grid that makes lines boil."""


@dataclass
class Scenes:
    """A batch of scenes of one size.

    `time: [b]`, position of the in-between. `ground: [b]`, `sprite: [b, LAYERS]`, numbers in the
    bank, -1 for no sprite. `pose: [b, 1 + LAYERS, 3, 2, 3]`, from the drawing's own plane (-1..=1)
    to pixels at the three times. `wave: [b, 1 + LAYERS, 2, WAVES, 4]`, for each axis amplitude,
    frequency right and down, phase; `bend: [b, 1 + LAYERS, 3]`, how far it acts at each time.
    `tint: [b, 1 + LAYERS, 3, 3]`, colour matrix. `boil: [b, 3, 2, BOIL, BOIL]`, in pixels.
    """

    size: int
    time: torch.Tensor
    ground: torch.Tensor
    sprite: torch.Tensor
    pose: torch.Tensor
    wave: torch.Tensor
    bend: torch.Tensor
    tint: torch.Tensor
    boil: torch.Tensor

    def to(self, device):
        """The same scenes on another device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return Scenes(**{name: v.to(device) if torch.is_tensor(v) else v for name, v in moved.items()})


def similarity(scale, turn, x=0.0, y=0.0):
    """Scale, turn and shift as a 3 x 3 matrix."""
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]])


def log_uniform(rng, low, high):
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


class Figure:
    """A root sprite and the limbs on it, each with its pose at the first and at the last key."""

    def __init__(self, rng, bank, style, size, motion):
        self.radius = log_uniform(rng, 0.1, 0.55) * size
        fast_and_thin = rng.random() < 0.2
        shapes = ("stick", "stroke", "limb") if fast_and_thin else None
        self.sprites = [bank.pick_sprite(rng, style, shapes)]
        way, turn = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.8 or fast_and_thin:
            distance = log_uniform(rng, 8 if fast_and_thin else 0.5, motion)
        else:
            distance = 0.0
        middle = rng.uniform(0.1, 0.9, 2) * size - size / 2
        half = distance / 2 * np.array([np.cos(way), np.sin(way)])
        turned = np.clip(rng.normal(0, 0.35), -1.05, 1.05) if rng.random() < 0.5 else 0.0
        grown = log_uniform(rng, 0.8, 1.25) if rng.random() < 0.35 else 1.0
        # One row per sprite: parent, then scale, turn and place at the two keys.
        self.parents = [None]
        self.keys = [((1.0, turn, middle - half), (grown, turn + turned, middle + half))]
        self.pivots = [np.zeros(2)]
        for _ in range(rng.integers(0, 5)):
            self.add_limb(rng, bank, style)

    def add_limb(self, rng, bank, style):
        """Hangs a sprite on one that is there."""
        parent = int(rng.integers(len(self.sprites)))
        sprite = bank.pick_sprite(rng, style, LIMBS)
        long = SHAPES[bank.shapes[sprite]] in ("limb", "stick")
        way = rng.uniform(0, 2 * np.pi)
        joint = 0.66 * np.array([np.cos(way), np.sin(way)])
        turn = way + rng.normal(0, 0.4)
        swing = np.clip(rng.normal(0, 0.5), -1.05, 1.05) if rng.random() < 0.7 else 0.0
        scale = rng.uniform(0.35, 0.9)
        self.sprites.append(sprite)
        self.parents.append(parent)
        self.keys.append(((scale, turn, joint), (scale, turn + swing, joint)))
        self.pivots.append(np.array([-FILL + 0.04, 0.0]) if long else np.zeros(2))

    def poses(self, time):
        """Each sprite's plane to the scene's pixels around its middle, at a time: `[n, 3, 3]`."""
        out = []
        for parent, (a, b), pivot in zip(self.parents, self.keys, self.pivots):
            scale, turn = (a[i] + (b[i] - a[i]) * time for i in (0, 1))
            place = a[2] + (b[2] - a[2]) * time
            own = similarity(scale if parent is not None else scale * self.radius, turn, *place)
            own = own @ similarity(1, 0, *-pivot)
            out.append(own if parent is None else out[parent] @ own)
        return out


def camera(rng, size):
    """Zoom, turn and shift of the camera over the whole span; it rests half of the time."""
    if rng.random() < 0.5:
        return np.array([0.0, 0, 0, 0])
    shift, way = log_uniform(rng, 0.5, 0.22 * size), rng.uniform(0, 2 * np.pi)
    zoom = log_uniform(rng, 0.85, 1.18) - 1 if rng.random() < 0.4 else 0.0
    turn = rng.normal(0, 0.04) if rng.random() < 0.3 else 0.0
    return np.array([zoom, turn, shift * np.cos(way), shift * np.sin(way)])


def tint(rng, style):
    """A colour matrix: channels exchanged and scaled, so that one drawing serves for many."""
    if style == STYLES.index("line"):
        return np.eye(3)
    return np.eye(3)[rng.permutation(3)] * rng.uniform(0.55, 1.15, (3, 1))


def sample(rng, bank, size, motion=0.43, boil=0.35):
    """One random scene as a dictionary of arrays without the batch axis.

    `motion`: the farthest way of a figure, in parts of `size`; `boil`: share of scenes with boiling lines.
    """
    style = int(rng.choice(len(STYLES), p=(0.5, 0.3, 0.2)))
    time = 0.5 if rng.random() < 0.5 else rng.uniform(0.08, 0.92)
    times = (0.0, time, 1.0)
    move = camera(rng, size)
    views = []
    for at in times:
        zoom, turn, x, y = move * (at - 0.5)
        views.append(similarity(1 + zoom, turn, (size - 1) / 2 + x, (size - 1) / 2 + y))
    spread = similarity(size * 0.85, rng.uniform(-0.1, 0.1), *rng.uniform(-0.06, 0.06, 2) * size)
    layers, sprites = [[view @ spread for view in views]], []
    for _ in range(rng.integers(1, 6)):
        figure = Figure(rng, bank, style, size, motion * size)
        order = list(range(len(figure.sprites)))
        if rng.random() < 0.5:  # the root in front of its limbs
            order = order[1:] + order[:1]
        poses = [figure.poses(at) for at in times]
        for i in order[: LAYERS - len(sprites)]:
            sprites.append(figure.sprites[i])
            layers.append([view @ pose[i] for view, pose in zip(views, poses)])
    n = len(sprites)
    out = {
        "time": np.float32(time),
        "ground": np.int64(bank.pick_ground(rng, style)),
        "sprite": np.full(LAYERS, -1, np.int64),
        "pose": np.tile(np.eye(2, 3, dtype=np.float64), (1 + LAYERS, 3, 1, 1)),
        "wave": np.zeros((1 + LAYERS, 2, WAVES, 4), np.float32),
        "bend": np.zeros((1 + LAYERS, 3), np.float32),
        "tint": np.tile(np.eye(3, dtype=np.float32), (1 + LAYERS, 1, 1)),
        "boil": np.zeros((3, 2, BOIL, BOIL), np.float32),
    }
    out["sprite"][:n] = sprites
    out["pose"][: 1 + n] = np.array(layers)[:, :, :2]
    for i in range(1 + n):
        out["tint"][i] = tint(rng, style)
        if i and rng.random() < 0.4:  # soft things bend between the keys
            strength = rng.uniform(0.01, 0.06)
            out["wave"][i, ..., 0] = rng.uniform(-strength, strength, (2, WAVES))
            out["wave"][i, ..., 1:3] = rng.uniform(-2.8, 2.8, (2, WAVES, 2))
            out["wave"][i, ..., 3] = rng.uniform(0, 2 * np.pi, (2, WAVES))
            first, last = rng.uniform(-1, 1, 2)
            out["bend"][i] = [first + (last - first) * at for at in times]
    if rng.random() < boil:
        out["boil"] = rng.normal(0, rng.uniform(0.15, 0.8), out["boil"].shape).astype(np.float32)
    return out


def batch(scenes, size):
    """Several `sample`s as one `Scenes`."""
    names = [f.name for f in fields(Scenes) if f.name != "size"]
    stacked = {name: torch.from_numpy(np.stack([scene[name] for scene in scenes])) for name in names}
    stacked["pose"] = stacked["pose"].float()
    return Scenes(size=size, **stacked)
