"""Draws scenes and tells exactly where each pixel goes and which key sees it.

Everything is tensors: on a GPU whole batches are posed at once, on a CPU each sprite is drawn only
within its bounds. Flows are computed from the poses, never estimated.
"""

import torch
import torch.nn.functional as F

MARGIN = 0.97
"""Beyond this part of a sprite's plane nothing is drawn."""
FIXED_POINT = 14
"""Rounds of undoing a bend; each brings the place at least twice as near."""


class Plates:
    """A bank's pictures as tensors on a device."""

    def __init__(self, bank, device="cpu"):
        self.device = torch.device(device)
        self.sprites = torch.from_numpy(bank.sprites).to(self.device)
        self.grounds = torch.from_numpy(bank.grounds).to(self.device)

    def take(self, plates, numbers):
        """`[b, h, w, c]` bytes by number → `[b, c, h, w]`, 0..=1."""
        return plates[numbers].permute(0, 3, 1, 2).float() / 255


def centres(height, width, stride, device, top=0, left=0):
    """Pixel coordinates of the centres of cells of `stride` pixels: `[h, w, 2]`, right then down."""
    half = (stride - 1) / 2
    y = top + half + stride * torch.arange(height, device=device, dtype=torch.float32)
    x = left + half + stride * torch.arange(width, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((x, y), -1)


def bend(wave, places):
    """Displacement of places within a sprite's plane: waves `[..., 2, n, 4]`, places `[..., 2]`."""
    x, y = places[..., 0, None, None], places[..., 1, None, None]
    swing = torch.sin(wave[..., 1] * x + wave[..., 2] * y + wave[..., 3])
    return (wave[..., 0] * swing).sum(-1)


def forward(pose, places):
    """Plane to pixels: `[..., 2, 3]`, `[..., 2]` → `[..., 2]`."""
    return (pose[..., :2] @ places[..., None])[..., 0] + pose[..., 2]


def backward(pose, pixels):
    """Pixels to plane, the inverse of `forward`."""
    (a, b), (c, d) = pose[..., 0, :2].unbind(-1), pose[..., 1, :2].unbind(-1)
    x, y = (pixels - pose[..., 2]).unbind(-1)
    return torch.stack((d * x - b * y, a * y - c * x), -1) / (a * d - b * c)[..., None]


VISIBLE = 0.25
"""Opacity below which a layer is not said to be in front."""


def window(pose, size):
    """Bounds of a sprite in the batch's pictures, top, left, bottom, right; None when outside."""
    most = torch.tensor(size[::-1])
    reach = MARGIN + 0.2
    corners = torch.tensor([[-reach, -reach], [reach, -reach], [-reach, reach], [reach, reach]])
    corners = forward(pose[:, None], corners[None])
    low = corners.amin((0, 1)).floor().long().clamp(min=0).minimum(most).tolist()
    high = (corners.amax((0, 1)).ceil().long() + 1).clamp(min=0).minimum(most).tolist()
    if low[0] >= high[0] or low[1] >= high[1]:
        return None
    return low[1], low[0], high[1], high[0]


def draw(plates, scenes, k):
    """One time of each scene, `k` of first key, in-between, last key.

    → pictures `[b, 3, h, w]` and the number of the layer in front `[b, h, w]`.
    """
    (height, width), device = scenes.size, plates.device
    pixels = centres(height, width, 1, device)
    places = backward(scenes.pose[:, 0, k, None, None], pixels[None])
    grounds = plates.take(plates.grounds, scenes.ground)
    picture = F.grid_sample(grounds, places, mode="bilinear", padding_mode="reflection", align_corners=False)
    picture = torch.einsum("bij,bjhw->bihw", scenes.tint[:, 0], picture).clamp(0, 1)
    front = torch.zeros(picture.shape[0], height, width, dtype=torch.long, device=device)
    boil = F.interpolate(scenes.boil[:, k], size=scenes.size, mode="bicubic", align_corners=False)
    pixels = pixels + boil.permute(0, 2, 3, 1)
    on_cpu = device.type == "cpu"
    for layer in range(1, scenes.pose.shape[1]):
        number, pose = scenes.sprite[:, layer - 1], scenes.pose[:, layer, k]
        bounds = (0, 0, height, width)
        if on_cpu:  # asking would make a GPU wait
            bounds = window(pose, scenes.size) if (number >= 0).any() else None
        if bounds is None:
            continue
        top, left, bottom, right = bounds
        inside = backward(pose[:, None, None], pixels[:, top:bottom, left:right])
        strength = scenes.bend[:, layer, k, None, None, None]
        inside = inside + strength * bend(scenes.wave[:, layer, None, None], inside)
        within = (inside.abs() < MARGIN).all(-1) & (number >= 0)[:, None, None]
        drawn = plates.take(plates.sprites, number.clamp(min=0))
        drawn = F.grid_sample(drawn, on_atlas(inside, pose), mode="bilinear", align_corners=False) * within[:, None]
        opacity = scenes.opacity[:, layer, k, None, None, None]
        drawn = drawn * opacity
        alpha = drawn[:, 3:]
        tinted = torch.einsum("bij,bjhw->bihw", scenes.tint[:, layer], drawn[:, :3])
        under = picture[:, :, top:bottom, left:right]
        picture[:, :, top:bottom, left:right] = torch.minimum(tinted, alpha) + under * (1 - alpha)
        shown = front[:, top:bottom, left:right]
        shown[alpha[:, 0] > 0.5 * opacity[:, 0].clamp(min=VISIBLE)] = layer
    return picture, front


def on_atlas(places, pose):
    """Places in a sprite's plane to the atlas, whose right part serves sprites drawn small."""
    x, y = places.clamp(-MARGIN, MARGIN).unbind(-1)
    pixels = 2 * pose[:, :, :2].det().abs().sqrt()
    small = (pixels < 110)[:, None, None]
    x = torch.where(small, (x + 5) / 3 - 1, (x + 1) * (2 / 3) - 1)
    y = torch.where(small, (y + 1) / 2 - 1, y)
    return torch.stack((x, y), -1)


def of_layer(values, layers):
    """Each pixel's value of its layer: `[b, l, ...]`, `[b, h, w]` → `[b, h, w, ...]`."""
    rows = torch.arange(values.shape[0], device=values.device)[:, None, None]
    return values[rows, layers]


def flow(scenes, front, k, j, stride=2):
    """Exact flow of what is seen at time `k` towards time `j`, and whether time `j` sees it too.

    `front`: what `draw` says of the times, by time. → flow in pixels of the full picture
    `[b, 2, h / stride, w / stride]` at the cells' centres, and visibility there, 0 or 1, `[b, 1, ...]`.
    """
    (height, width), half = scenes.size, stride // 2
    rows, columns = height // stride, width // stride
    here = centres(rows, columns, stride, scenes.pose.device)
    layers = front[k][:, half::stride, half::stride][:, :rows, :columns]
    wave = of_layer(scenes.wave, layers)
    inside = backward(of_layer(scenes.pose[:, :, k], layers), here[None])
    drawn = inside + of_layer(scenes.bend[:, :, k], layers)[..., None] * bend(wave, inside)
    strength, place = of_layer(scenes.bend[:, :, j], layers)[..., None], drawn
    for _ in range(FIXED_POINT):
        place = drawn - strength * bend(wave, place)
    there = forward(of_layer(scenes.pose[:, :, j], layers), place)
    column, row = there.round().long().unbind(-1)
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    which = torch.arange(len(layers), device=layers.device)[:, None, None]
    same = front[j][which, row.clamp(0, height - 1), column.clamp(0, width - 1)] == layers
    return (there - here).permute(0, 3, 1, 2), (within & same).float()[:, None]
