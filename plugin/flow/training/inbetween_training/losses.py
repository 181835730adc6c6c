"""What training asks of the network's answer. Each loss is a mean over its pixels."""

import torch
import torch.nn.functional as F

from .network import blend, settle

WEIGHTS = {"picture": 1.0, "pyramid": 0.5, "structure": 0.25, "flow": 0.02, "mask": 0.06, "pick": 0.3, "match": 0.04}
LINE = 3.0
"""How much more a pixel near a line counts, beside 1."""
OCCLUDED = 0.2
"""Weight of motion that no second picture shows."""


def charbonnier(x):
    """Absolute value, smooth at 0."""
    return (x * x + 1e-6).sqrt()


def near_lines(picture):
    """1 within two pixels of the lines of `[b, 3, h, w]`, else 0: `[b, 1, h, w]`."""
    grey = F.pad(picture.mean(1, keepdim=True), (3, 3, 3, 3), mode="replicate")
    fine, wide = F.avg_pool2d(grey, 3, 1)[..., 2:-2, 2:-2], F.avg_pool2d(grey, 7, 1)
    return F.max_pool2d(((fine - wide).abs() > 0.03).float(), 5, 1, 2)


def pyramid(difference, levels=4):
    """Differences of a picture between each size and the next: Laplacian pyramid, linear, so one suffices."""
    loss = 0.0
    for level in range(levels):
        small = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(small, size=difference.shape[-2:], mode="bilinear", align_corners=False)
        loss = loss + 2**level * charbonnier(band).mean()
        difference = small
    return (loss + charbonnier(difference).mean()) / levels


def structure(drawn, truth, side=7, step=2):
    """1 - SSIM over every second square (Wang et al., Image Quality Assessment, 2004), colours apart: 0 to 2."""

    def mean(x):
        return F.avg_pool2d(x, side, step)

    a, b = mean(drawn), mean(truth)
    spread = mean(drawn * drawn) - a * a + mean(truth * truth) - b * b
    common = mean(drawn * truth) - a * b
    likeness = (2 * a * b + 1e-4) * (2 * common + 9e-4) / ((a * a + b * b + 1e-4) * (spread + 9e-4))
    return 1 - likeness.mean()


def flow(levels, exact, seen):
    """Distance from the exact motion at every level, in pixels of the full picture, big errors damped."""
    loss = 0.0
    for motion in levels:
        k = exact.shape[-1] // motion.shape[-1]
        wanted, weight = F.avg_pool2d(exact, k), F.avg_pool2d(seen, k)
        weight = OCCLUDED + (1 - OCCLUDED) * weight
        error = (motion[:, :4].float() * (2 * k) - wanted).unflatten(1, (2, 2)).norm(dim=2)
        error = 24 * torch.log1p(error / 24)
        loss = loss + (error * weight).sum() / weight.sum()
    return loss / len(levels)


def mask(levels, seen):
    """Where exactly one key sees the pixel, the mask must name that key."""
    loss = 0.0
    for motion in levels[1:]:
        first, last = F.avg_pool2d(seen, seen.shape[-1] // motion.shape[-1]).split(1, 1)
        sure = (first - last).abs()
        entropy = F.binary_cross_entropy_with_logits(motion[:, 4:].float(), (first > last).float(), reduction="none")
        loss = loss + (entropy * sure).sum() / (sure.sum() + 1)
    return loss / 2


def pick(out):
    """Half-transparent doubles: an undecided mask where the moved keys differ."""
    share = torch.sigmoid(out["motion"][:, 4:])
    return (4 * share * (1 - share) * (out["first"] - out["last"]).abs().mean(1, keepdim=True)).mean()


def match(matched, exact):
    """Distance of the matcher's flows from the exact ones, in cells, spread and raw."""
    wanted = exact / 8
    spread, raw = (charbonnier(f - wanted).mean() for f in matched)
    return spread + 0.5 * raw


def total(out, sample):
    """All losses of an answer, weighted. → sum, values by name."""
    truth = sample["frames"][:, 1]
    drawn = blend(out, settle(out, sample["time"])).float()
    weight = 1 + LINE * near_lines(truth)
    parts = {
        "picture": (charbonnier(drawn - truth) * weight).mean() / weight.mean(),
        "pyramid": pyramid(drawn - truth),
        "structure": structure(drawn, truth),
        "flow": flow(out["levels"], sample["motion"], sample["seen"]),
        "mask": mask(out["levels"], sample["seen"]),
        "pick": pick(out),
    }
    if out["matched"] is not None:
        parts["match"] = match(out["matched"], sample["between"])
    return sum(WEIGHTS[name] * value for name, value in parts.items()), parts
