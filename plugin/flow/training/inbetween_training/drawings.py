"""Cartoon drawings to animate: outlined, shaded sprites and painted backgrounds, made of random numbers.

A `Bank` holds a few thousand of them; scenes take them from it, so that drawing happens once and
posing is all that a new sample costs.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SPRITE = 192
"""Side of a sprite in samples; beside it, at half that side, lies its reduced copy."""
GROUND = 512
"""Side of a background in samples."""
FILL = 0.84
"""Part of the sprite's side that the shape takes; the rest is transparent margin."""

STYLES = ("flat", "textured", "line")
SHAPES = ("blob", "polygon", "limb", "spikes", "panel", "stick", "stroke")
LIMBS = ("limb", "limb", "blob", "spikes", "stick")
"""Shapes that are attached to others."""

SUBPIXEL = 4
"""Fraction bits of polygon corners."""


def fixed(points):
    """Corner coordinates in OpenCV's fixed point."""
    return np.round(points * (1 << SUBPIXEL)).astype(np.int32)


def colour(rng):
    """A paint: mostly saturated, now and then a grey. RGB, 0..=255."""
    saturation = rng.uniform(20, 230) if rng.random() < 0.8 else rng.uniform(0, 30)
    hsv = np.uint8([[[rng.uniform(0, 180), saturation, rng.uniform(60, 255)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def contour(rng, shape, n=96):
    """Closed contour of a shape within -1..=1: `[n, 2]`."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    circle = np.stack((np.cos(angle), np.sin(angle)), 1)
    if shape == "blob":
        radius = np.ones(n)
        for k in range(2, 6):
            radius += rng.normal(0, 0.28 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
        points = circle * radius[:, None] * [1, rng.uniform(0.45, 1)]
    elif shape == "spikes":
        wave = np.abs((angle * rng.integers(4, 10) / (2 * np.pi)) % 1 * 2 - 1)
        points = circle * (1 + rng.uniform(0.15, 0.5) * wave ** rng.uniform(0.7, 2))[:, None]
    elif shape in ("limb", "stick"):
        thick = rng.uniform(0.18, 0.4) if shape == "limb" else rng.uniform(0.025, 0.1)
        taper = 1 + (rng.uniform(0.5, 1) - 1) * (circle[:, 0] + 1) / 2
        along = np.sign(circle[:, 0]) * np.abs(circle[:, 0]) ** 0.4
        points = np.stack((along, circle[:, 1] * thick * taper), 1)
    elif shape == "panel":
        power = rng.uniform(0.2, 0.8)
        points = np.sign(circle) * np.abs(circle) ** power * [1, rng.uniform(0.4, 1)]
    elif shape == "polygon":
        corners = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        corners = np.stack((np.cos(corners), np.sin(corners)), 1) * rng.uniform(0.6, 1, (len(corners), 1))
        share = np.linspace(0, 1, n // len(corners) + 1, endpoint=False)[:, None]
        points = np.concatenate([a + (b - a) * share for a, b in zip(corners, np.roll(corners, -1, 0))])
    else:
        raise ValueError(f"no closed contour for the shape {shape!r}")
    return points / np.abs(points).max()


def curve(rng, side):
    """A bent stroke somewhere on a picture of this side: `[16, 2]`."""
    a, b = rng.uniform(0.15, 0.85, (2, 2)) * side
    share = np.linspace(0, 1, 16)[:, None]
    return a + (b - a) * share + np.sin(share * np.pi) * rng.normal(0, 0.1 * side, 2)


def cloud(rng, side):
    """Paint texture around 0: noise of several sizes. `[side, side, 3]`, in 0..=255 steps."""
    out = np.zeros((side, side, 3), np.float32)
    strength = rng.uniform(10, 60)
    channels = 3 if rng.random() < 0.4 else 1
    for grain in (4, 9, 24, 60):
        cells = max(2, side * grain // 256)
        noise = rng.normal(0, 1, (cells, cells, channels)).astype(np.float32)
        noise = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC).reshape(side, side, channels)
        out += noise * strength * rng.uniform(0, 1) * 8 / (grain + 8)
    return out


def filled(shape):
    """Antialiased coverage of a closed shape in a sprite: `[SPRITE, SPRITE, 1]`, 0..=1."""
    mask = np.zeros((SPRITE, SPRITE), np.uint8)
    cv2.fillPoly(mask, [shape], 255, cv2.LINE_AA, SUBPIXEL)
    return mask.astype(np.float32)[..., None] / 255


def stroked(curves, width, closed=False):
    """Antialiased coverage of lines of this width in a sprite: `[SPRITE, SPRITE, 1]`, 0..=1."""
    mask = np.zeros((SPRITE, SPRITE), np.uint8)
    cv2.polylines(mask, curves, closed, 255, int(width), cv2.LINE_AA, SUBPIXEL)
    return mask.astype(np.float32)[..., None] / 255


def paint(rng, style):
    """The colours inside a sprite: `[SPRITE, SPRITE, 3]`, 0..=255."""
    base = np.full(3, 255 - rng.uniform(0, 10), np.float32) if style == "line" else colour(rng)
    picture = np.tile(base, (SPRITE, SPRITE, 1)).astype(np.float32)
    if style == "line":
        return picture
    y, x = np.mgrid[:SPRITE, :SPRITE].astype(np.float32) / SPRITE - 0.5
    turn, kind = rng.uniform(0, 2 * np.pi), rng.random()
    along, across = x * np.cos(turn) + y * np.sin(turn), x * np.sin(turn) - y * np.cos(turn)
    if style == "textured" and kind < 0.7:
        picture += cloud(rng, SPRITE)
    elif kind < 0.2:
        picture += (along * rng.uniform(20, 140))[..., None]
    elif kind < 0.5:  # cel shading
        picture[along + 0.08 * np.sin(6 * across + turn) > rng.uniform(-0.2, 0.25)] *= rng.uniform(0.55, 0.85)
    elif kind < 0.6:
        picture[np.sin(along * rng.uniform(20, 60)) > 0] = colour(rng)
    elif kind < 0.65:
        picture += cloud(rng, SPRITE)
    return np.clip(picture, 0, 255)


def sprite(rng, style, shape):
    """One drawing on a transparent ground, premultiplied: `[SPRITE, SPRITE, 4]`, 0..=255."""
    ink = np.float32([20, 15, 15]) * rng.uniform(0, 2)
    if shape == "stroke":  # rope, hair, a limb of line only
        ink = ink if style == "line" or rng.random() < 0.5 else colour(rng)
        strokes = [fixed((curve(rng, SPRITE) - SPRITE / 2) * FILL + SPRITE / 2) for _ in range(rng.integers(1, 4))]
        alpha = stroked(strokes, rng.integers(1, 7))
        return np.concatenate((ink * alpha, 255 * alpha), 2)
    picture = paint(rng, style)
    edge = fixed(contour(rng, shape) * (SPRITE * FILL / 2) + SPRITE / 2)
    alpha = filled(edge)
    for _ in range(rng.integers(0, 4)):  # patches: eyes, buttons, windows
        patch = contour(rng, rng.choice(SHAPES[:5])) * SPRITE / 2 * rng.uniform(0.08, 0.35)
        patch = fixed(patch + SPRITE / 2 + rng.normal(0, 0.15 * SPRITE, 2))
        inside = filled(patch)
        if style != "line":
            picture += (colour(rng) - picture) * inside
        if style == "line" or rng.random() < 0.6:
            picture += (ink - picture) * stroked([patch], 1, closed=True)
    strokes = [fixed(curve(rng, SPRITE)) for _ in range(rng.integers(0, 5))]
    if strokes:  # folds, hair, mouths
        picture += (ink - picture) * stroked(strokes, rng.integers(1, 4))
    if style == "line" or rng.random() < 0.85:
        lines = stroked([edge], rng.integers(1, 6), closed=True)
        rim = ink if style == "line" or rng.random() < 0.8 else picture[SPRITE // 2, SPRITE // 2] * 0.5
        picture += (rim - picture) * lines
        alpha = np.maximum(alpha, lines)
    return np.concatenate((picture * alpha, 255 * alpha), 2)


def repeats(rng, picture):
    """Paints a fence, tiles or the windows of a house over a background, in place."""
    side = len(picture)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    turn = rng.normal(0, 0.3) if rng.random() < 0.3 else 0.0
    across, down = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    period = rng.uniform(14, 80)
    bars = across % period < period * rng.uniform(0.1, 0.6)
    kind = rng.random()
    if kind < 0.5:  # windows
        bars &= down % (period * rng.uniform(0.6, 2)) < period * rng.uniform(0.2, 0.6)
    elif kind < 0.75:  # a fence that does not fill the picture
        top, bottom = np.sort(rng.uniform(0, side, 2))
        bars &= (down > top) & (down < bottom)
    picture[cv2.GaussianBlur(bars.astype(np.float32), (0, 0), 0.7) > 0.5] = colour(rng)


def ground(rng, style):
    """A background: `[GROUND, GROUND, 3]`, 0..=255."""
    if style == "line":
        return np.full((GROUND, GROUND, 3), 255 - rng.uniform(0, 8), np.float32)
    picture = np.tile(colour(rng), (GROUND, GROUND, 1)).astype(np.float32)
    kind = rng.random()
    if kind < 0.6 or style == "textured":
        picture += cloud(rng, GROUND)
    if kind > 0.3:
        for _ in range(rng.integers(1, 24)):
            shape = contour(rng, rng.choice(SHAPES[:6])) * GROUND * rng.uniform(0.04, 0.35)
            shape, tint = fixed(shape + rng.uniform(0, GROUND, 2)), colour(rng)
            cv2.fillPoly(picture, [shape], tint.tolist(), cv2.LINE_AA, SUBPIXEL)
            if rng.random() < 0.5:
                width = int(rng.integers(1, 4))
                cv2.polylines(picture, [shape], True, (tint * 0.3).tolist(), width, cv2.LINE_AA, SUBPIXEL)
    if rng.random() < 0.15:
        repeats(rng, picture)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 4))
    return np.clip(picture, 0, 255)


def atlas(picture):
    """A sprite with its half-size copy to the right, for drawing it small without broken lines."""
    half = cv2.resize(picture, (SPRITE // 2, SPRITE // 2), interpolation=cv2.INTER_AREA)
    below = np.zeros((SPRITE - SPRITE // 2, SPRITE // 2, 4), np.float32)
    both = np.concatenate((picture, np.concatenate((half, below), 0)), 1)
    return np.clip(both + 0.5, 0, 255).astype(np.uint8)


@dataclass
class Bank:
    """Drawings by number. `sprites: [n, SPRITE, SPRITE * 3 / 2, 4]`, `grounds: [n, GROUND, GROUND, 3]`."""

    sprites: np.ndarray
    shapes: np.ndarray
    sprite_styles: np.ndarray
    grounds: np.ndarray
    ground_styles: np.ndarray

    @classmethod
    def draw(cls, seed, sprites, grounds):
        """Draws a bank; the same seed and counts give the same bank."""
        rng = np.random.default_rng(seed)
        drawn, shapes, styles = [], [], []
        for i in range(sprites):
            style, shape = i % len(STYLES), int(rng.integers(len(SHAPES)))
            drawn.append(atlas(sprite(rng, STYLES[style], SHAPES[shape])))
            shapes.append(shape)
            styles.append(style)
        ground_styles = [i % len(STYLES) for i in range(grounds)]
        painted = [ground(rng, STYLES[style]).round().astype(np.uint8) for style in ground_styles]
        return cls(np.stack(drawn), np.array(shapes), np.array(styles), np.stack(painted), np.array(ground_styles))

    @classmethod
    def load_or_draw(cls, path, seed, sprites, grounds):
        """The bank kept in a file, which is made when it is not there."""
        path = Path(path)
        if path.exists():
            with np.load(path) as stored:
                return cls(**stored)
        bank = cls.draw(seed, sprites, grounds)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part.npz")
        np.savez(beside, **vars(bank))
        beside.replace(path)
        return bank

    def pick_sprite(self, rng, style, shapes=None):
        """Number of a sprite of this style and one of these shapes."""
        fits = self.sprite_styles == style
        if shapes is not None:
            fits &= np.isin(self.shapes, [SHAPES.index(shape) for shape in shapes])
        return int(rng.choice(np.flatnonzero(fits)))

    def pick_ground(self, rng, style):
        """Number of a background of this style."""
        return int(rng.choice(np.flatnonzero(self.ground_styles == style)))
