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
    `tint: [b, 1 + LAYERS, 3, 3]`, colour matrix. `opacity: [b, 1 + LAYERS, 3]`, 0 where a time does not
    show the layer. `boil: [b, 3, 2, BOIL, BOIL]`, in pixels. `size`: height and width.
    """

    size: tuple
    time: torch.Tensor
    ground: torch.Tensor
    sprite: torch.Tensor
    pose: torch.Tensor
    wave: torch.Tensor
    bend: torch.Tensor
    tint: torch.Tensor
    opacity: torch.Tensor
    boil: torch.Tensor

    def to(self, device):
        """The same scenes on another device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return Scenes(**{name: v.to(device) if torch.is_tensor(v) else v for name, v in moved.items()})


@dataclass(frozen=True)
class Moves:
    """What may happen between the keys."""

    farthest: float = 0.43
    """Farthest way of a figure, in parts of the longer side."""
    even: float = 0.0
    """Share of figures for which a long way is as likely as a short one; of the others most go a short way."""
    turn: tuple = (0.5, 0.35, 1.05)
    """Share of figures that turn, standard deviation and most, in radians."""
    swing: tuple = (0.7, 0.5, 1.05)
    """The same for limbs."""
    squash: float = 1.0
    """Most that a third of the figures are stretched one way and pressed the other."""
    pan: float = 0.22
    """Farthest way of the camera, in parts of the longer side."""
    bend: float = 0.06
    """Strongest bend of soft things, in parts of half their side."""
    fading: float = 0.0
    """Share of figures that one key shows paler, and of sprites that one key lacks."""
    plain: float = 0.0
    """Share of plain grounds."""


NEAR = Moves()
FAR = Moves(
    farthest=0.4,
    even=0.7,
    turn=(0.6, 0.7, 1.6),
    swing=(0.8, 0.7, 1.6),
    squash=2.0,
    pan=0.33,
    bend=0.11,
    fading=0.05,
    plain=0.25,
)
"""Keys as far apart as animators leave them."""


def pair(size):
    """Height and width of a size given as one side or as both."""
    return (size, size) if isinstance(size, int) else tuple(size)


def turned(rng, shares):
    """An angle by (share that turns, standard deviation, most)."""
    share, spread, most = shares
    return np.clip(rng.normal(0, spread), -most, most) if rng.random() < share else 0.0


def similarity(scale, turn, x=0.0, y=0.0):
    """Scale, turn and shift as a 3 x 3 matrix."""
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]])


def log_uniform(rng, low, high):
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


class Figure:
    """A root sprite and the limbs on it, each with its pose at the first and at the last key."""

    def __init__(self, rng, bank, style, size, moves):
        height, width = size
        self.moves = moves
        self.radius = log_uniform(rng, 0.1, 0.55) * np.sqrt(height * width)
        fast_and_thin = rng.random() < 0.2
        shapes = ("stick", "stroke", "limb") if fast_and_thin else None
        self.sprites = [bank.pick_sprite(rng, style, shapes)]
        way, turn = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.8 or fast_and_thin:
            farthest = moves.farthest * max(size)
            distance = log_uniform(rng, 8 if fast_and_thin else 0.5, farthest)
            if moves.even and rng.random() < moves.even:
                distance = rng.uniform(0, farthest)
        else:
            distance = 0.0
        middle = rng.uniform(0.1, 0.9, 2) * (width, height) - np.array([width, height]) / 2
        half = distance / 2 * np.array([np.cos(way), np.sin(way)])
        turns = turned(rng, moves.turn)
        grown = log_uniform(rng, 0.8, 1.25) if rng.random() < 0.35 else 1.0
        self.squashed = np.eye(3)
        if moves.squash > 1 and rng.random() < 1 / 3:
            along, axis = log_uniform(rng, moves.squash**-0.5, moves.squash**0.5), rng.uniform(0, np.pi)
            self.squashed = similarity(1, axis) @ np.diag([along, 1 / along, 1]) @ similarity(1, -axis)
        # One row per sprite: parent, then scale, turn and place at the two keys.
        self.parents = [None]
        self.keys = [((1.0, turn, middle - half), (grown, turn + turns, middle + half))]
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
        swing = turned(rng, self.moves.swing)
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
            if parent is None:
                own = own @ (np.eye(3) * (1 - time) + self.squashed * time)
            own = own @ similarity(1, 0, *-pivot)
            out.append(own if parent is None else out[parent] @ own)
        return out


def camera(rng, size, moves):
    """Zoom, turn and shift of the camera over the whole span; it rests half of the time."""
    if rng.random() < 0.5:
        return np.array([0.0, 0, 0, 0])
    farthest = moves.pan * max(size)
    shift, way = log_uniform(rng, 0.5, farthest), rng.uniform(0, 2 * np.pi)
    if moves.even and rng.random() < moves.even:
        shift, way = rng.uniform(0, farthest), np.round(way / (np.pi / 2), 0) * np.pi / 2 + rng.normal(0, 0.1)
    zoom = log_uniform(rng, 0.85, 1.18) - 1 if rng.random() < 0.4 else 0.0
    turn = rng.normal(0, 0.04) if rng.random() < 0.3 else 0.0
    return np.array([zoom, turn, shift * np.cos(way), shift * np.sin(way)])


def tint(rng, style):
    """A colour matrix: channels exchanged and scaled, so that one drawing serves for many."""
    if style == STYLES.index("line"):
        return np.eye(3)
    return np.eye(3)[rng.permutation(3)] * rng.uniform(0.55, 1.15, (3, 1))


def sample(rng, bank, size, moves=NEAR, boil=0.35):
    """One random scene as a dictionary of arrays without the batch axis.

    `size`: one side, or height and width; `boil`: share of scenes with boiling lines.
    """
    size = height, width = pair(size)
    style = int(rng.choice(len(STYLES), p=(0.5, 0.3, 0.2)))
    time = 0.5 if rng.random() < 0.5 else rng.uniform(0.08, 0.92)
    times = (0.0, time, 1.0)
    move = camera(rng, size, moves)
    views = []
    for at in times:
        zoom, turn, x, y = move * (at - 0.5)
        views.append(similarity(1 + zoom, turn, (width - 1) / 2 + x, (height - 1) / 2 + y))
    spread = similarity(max(size) * 0.85, rng.uniform(-0.1, 0.1), *rng.uniform(-0.06, 0.06, 2) * max(size))
    layers, sprites, opacity = [[view @ spread for view in views]], [], np.ones((1 + LAYERS, 3), np.float32)
    for _ in range(rng.integers(1, 6)):
        figure = Figure(rng, bank, style, size, moves)
        order = list(range(len(figure.sprites)))
        if rng.random() < 0.5:  # the root in front of its limbs
            order = order[1:] + order[:1]
        poses = [figure.poses(at) for at in times]
        shown = shares(rng, moves, times, 0.35)
        for i in order[: LAYERS - len(sprites)]:
            opacity[len(layers)] = shown * shares(rng, moves, times, 0.0)
            sprites.append(figure.sprites[i])
            layers.append([view @ pose[i] for view, pose in zip(views, poses)])
    n = len(sprites)
    plain = moves.plain and rng.random() < moves.plain
    out = {
        "time": np.float32(time),
        "ground": np.int64(bank.pick_ground(rng, STYLES.index("line") if plain else style)),
        "sprite": np.full(LAYERS, -1, np.int64),
        "pose": np.tile(np.eye(2, 3, dtype=np.float64), (1 + LAYERS, 3, 1, 1)),
        "wave": np.zeros((1 + LAYERS, 2, WAVES, 4), np.float32),
        "bend": np.zeros((1 + LAYERS, 3), np.float32),
        "tint": np.tile(np.eye(3, dtype=np.float32), (1 + LAYERS, 1, 1)),
        "opacity": opacity,
        "boil": np.zeros((3, 2, BOIL, BOIL), np.float32),
    }
    out["sprite"][:n] = sprites
    out["pose"][: 1 + n] = np.array(layers)[:, :, :2]
    for i in range(1 + n):
        out["tint"][i] = tint(rng, style)
        if i and rng.random() < 0.4:  # soft things bend between the keys
            strength = rng.uniform(0.01, moves.bend)
            out["wave"][i, ..., 0] = rng.uniform(-strength, strength, (2, WAVES))
            out["wave"][i, ..., 1:3] = rng.uniform(-2.8, 2.8, (2, WAVES, 2))
            out["wave"][i, ..., 3] = rng.uniform(0, 2 * np.pi, (2, WAVES))
            first, last = rng.uniform(-1, 1, 2)
            out["bend"][i] = [first + (last - first) * at for at in times]
    if rng.random() < boil:
        out["boil"] = rng.normal(0, rng.uniform(0.15, 0.8), out["boil"].shape).astype(np.float32)
    return out


def shares(rng, moves, times, least):
    """Opacity of something at the times: 1, or going down to between `least` and the double at one of the keys."""
    if not moves.fading or rng.random() >= moves.fading:
        return np.ones(3, np.float32)
    end = least * rng.uniform(1, 2)
    at = np.array(times if rng.random() < 0.5 else [1 - time for time in times])
    return (1 - (1 - end) * at).astype(np.float32)


def batch(scenes, size):
    """Several `sample`s as one `Scenes`."""
    names = [f.name for f in fields(Scenes) if f.name != "size"]
    stacked = {name: torch.from_numpy(np.stack([scene[name] for scene in scenes])) for name in names}
    stacked["pose"] = stacked["pose"].float()
    return Scenes(size=pair(size), **stacked)
