"""How near a drawn in-between is to the true one, by what matters in line drawings.

Pictures are `[h, w, 3]` RGB bytes. PSNR alone misleads: on far motion a plain dissolve comes close
to any method by it. Read SSIM, chamfer, ghost and crumbs together, and look at the pictures.
"""

import cv2
import numpy as np
from skimage.metrics import structural_similarity

NAMES = ("psnr", "ssim", "chamfer", "ghost", "crumbs")
TIMED = {"psnr timed": "psnr", "ssim timed": "ssim"}
"""Of the drawings of one span at all positions the one most like the truth: timing is forgiven."""
CRUMB = 20
"""Line pieces shorter than this, in pixels, are crumbs when the truth has no line there."""


def lines(picture):
    """Where lines are: `[h, w]`, true or false."""
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    return np.abs(cv2.GaussianBlur(light, (0, 0), 0.9) - cv2.GaussianBlur(light, (0, 0), 2.0)) > 0.022


def distance_to(marked):
    """Distance of each pixel from the nearest marked one, in pixels."""
    return cv2.distanceTransform((~marked).astype(np.uint8), cv2.DIST_L2, 3)


def chamfer(a, b):
    """Mean distance of each line map's pixels from the other's lines, in % of the diagonal."""
    if not a.any() or not b.any():
        return 100.0 * float(a.any() != b.any())
    return 50 * float(distance_to(b)[a].mean() + distance_to(a)[b].mean()) / float(np.hypot(*a.shape))


def crumbs(drawn, truth):
    """Number of connected line pieces under `CRUMB` pixels long that mostly lie off the truth's lines."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(drawn.astype(np.uint8), connectivity=8)
    off = (distance_to(truth) > 2) if truth.any() else np.ones_like(drawn)
    away = np.bincount(labels[off], minlength=count)
    length = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1)
    return int(((length < CRUMB) & (2 * away > stats[:, cv2.CC_STAT_AREA]))[1:].sum())


def ghost(first, last, truth, drawn):
    """Share of moving pixels, in %, that carry a colour strictly between both keys that is not the true one."""
    first, last, truth, drawn = (p.astype(np.int32) for p in (first, last, truth, drawn))

    def apart(a, b):
        return np.abs(a - b).max(-1)

    moving = (np.maximum(apart(first, truth), apart(last, truth)) > 16) & (apart(first, last) > 40)
    neither = np.minimum(apart(drawn, first), apart(drawn, last)) > 14
    low, high = np.minimum(first, last) - 4, np.maximum(first, last) + 4
    between = ((drawn >= low) & (drawn <= high)).all(-1)
    ghosts = moving & neither & between & (apart(drawn, truth) > 14)
    return 100.0 * float(ghosts.sum()) / max(1, int(moving.sum()))


def likeness(truth, drawn):
    """PSNR in dB, up to 60, and SSIM."""
    error = np.square(drawn.astype(np.float64) - truth).mean()
    psnr = float(min(60.0, 10 * np.log10(255**2 / (error + 1e-9))))
    return {"psnr": psnr, "ssim": float(structural_similarity(truth, drawn, channel_axis=2))}


def timed(truth, others, own):
    """`TIMED` of a drawing with the scores `own`, whose span was also drawn as `others`."""
    rows = [own, *(likeness(truth, other) for other in others)]
    return {name: max(row[of] for row in rows) for name, of in TIMED.items()}


def score(first, last, truth, drawn):
    """All measures by name."""
    true_lines, drawn_lines = lines(truth), lines(drawn)
    return likeness(truth, drawn) | {
        "chamfer": chamfer(true_lines, drawn_lines),
        "ghost": ghost(first, last, truth, drawn),
        "crumbs": float(crumbs(drawn_lines, true_lines)),
    }


def cut_distance(first, last, drawn):
    """Mean difference from the nearer key, 0..=255: 0 when a cut holds one key."""
    return float(min(np.abs(drawn.astype(np.float64) - key).mean() for key in (first, last)))
