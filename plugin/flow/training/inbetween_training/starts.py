"""First flows between two keys as the product finds them, so that the decoder learns to mend those.

`dis` is dense inverse search alone. `hypotheses` adds matching of coarse cells over the whole
picture, search from there, and one affine motion for everything, and keeps the best for each place.
Pictures here are `[h, w, 3]` RGB bytes, flows `[h, w, 2]` in pixels.
"""

import cv2
import numpy as np

CELLS = 44
"""Coarse cells along the longer side of a whole picture."""
FAR_MATCH = 7.2
"""Cost of a coarse match across the whole picture."""
LEAST = 0.01
"""Weight of a sample that is not trusted at all, so that every cell has a flow."""
CUT_OFF = 30.0
"""Largest colour difference that counts when hypotheses are compared."""


def grid(height, width):
    """Pixel coordinates `[h, w, 2]`."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)


def warp(picture, flow):
    """Samples `picture` where `flow` points; the border repeats."""
    places = grid(*flow.shape[:2]) + flow
    return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def dis(first, last, init=None, finest=1):
    """Dense inverse search on grey pictures `[h, w]`; `finest` 0 is full size, 1 half."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(finest)
    return search.calc(first, last, None if init is None else np.ascontiguousarray(init, np.float32))


def grey(picture):
    """RGB to grey."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def features(picture):
    """Lightness, two colour axes and line strength, in comparable steps: `[h, w, 4]`."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    soft, light = cv2.GaussianBlur(lab, (0, 0), 1.0), lab[..., 0]
    line = cv2.GaussianBlur(light, (0, 0), 0.8) - cv2.GaussianBlur(light, (0, 0), 2.4)
    return np.dstack((soft[..., 0] * 0.6, soft[..., 1:], line * 1.6)).astype(np.float32)


def guided(guide, radius, eps):
    """Edge-aware smoothing led by `guide` (He et al., Guided Image Filtering, ECCV 2010)."""

    def box(x):
        return cv2.blur(x, (2 * radius + 1, 2 * radius + 1))

    mean = box(guide)
    variance = box(guide * guide) - mean * mean + eps

    def smooth(x):
        level = box(x)
        slope = (box(guide * x) - mean * level) / variance
        return box(slope) * guide + box(level - slope * mean)

    return smooth


def descriptors(picture, height, width):
    """What surrounds each coarse cell, near and wider: `[h * w, d]`."""
    looks = features(cv2.resize(picture, (width * 4, height * 4), interpolation=cv2.INTER_AREA))
    reach, taps = 3, []
    for step in (1, 3):
        soft = cv2.GaussianBlur(looks, (0, 0), 0.7 * step)
        edge = reach * step
        padded = cv2.copyMakeBorder(soft, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                y, x = (dy + reach) * step, (dx + reach) * step
                weight = np.float32(np.exp(-(dx * dx + dy * dy) / (4 * 1.8**2)))
                taps.append(padded[y : y + height * 4 : 4, x : x + width * 4 : 4] * weight)
    return np.concatenate(taps, -1).reshape(height * width, -1)


def squared_distances(a, b):
    """All pairs of rows: `[n, d]`, `[m, d]` → `[n, m]`."""
    return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T, 0)


def coarse(first, last, cells):
    """Flows both ways from matching all coarse cells with all, agreed on among alike neighbours."""
    height, width = first.shape[:2]
    scale = cells / max(height, width)
    rows, columns = max(6, round(height * scale)), max(6, round(width * scale))
    a, b = descriptors(first, rows, columns), descriptors(last, rows, columns)
    middle = a.shape[1] // 4  # the centre tap of the near ring
    middle -= middle % 4
    places = grid(rows, columns).reshape(-1, 2)
    apart = squared_distances(places, places)
    cost = np.sqrt(squared_distances(a, b) * 12 / a.shape[1])
    cost = cost + FAR_MATCH * np.sqrt(apart) / max(rows, columns)
    flows = []
    for own, table in ((a, cost), (b, cost.T)):
        match, back = table.argmin(1), table.argmin(0)
        found = places[match] - places
        error = np.linalg.norm(places[back[match]] - places, axis=1)
        trust = np.exp(-error) * np.clip(own.std(1) / 6, 0.05, 1) * np.exp(-table.min(1) / 14)
        look = own[:, middle : middle + 4]
        alike = np.exp(-apart / 18 - squared_distances(look, look) / 200) * trust[None]
        agreed = alike @ found / (alike.sum(1, keepdims=True) + 1e-9)
        for _ in range(2):  # away from the mean, towards the most common motion
            near = alike * np.exp(-squared_distances(agreed, found) / 8)
            agreed = (near @ found + 1e-6 * agreed) / (near.sum(1, keepdims=True) + 1e-6)
        field = agreed.reshape(rows, columns, 2).astype(np.float32)
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        flows.append(field * np.float32([width / columns, height / rows]))
    return flows


def best(looks, candidates, windows=(7, 19)):
    """For each place the candidate that joins like to like, agrees with its way back and stays inside.

    `looks`: features of the picture that flows start from and of the other; `candidates`: pairs of
    a flow and its way back.
    """
    own, other = looks
    smooth = [guided(own[..., 0] / 60, size // 2, 4e-3) for size in windows]
    height, width = own.shape[:2]
    costs = []
    for flow, back in candidates:
        error = np.minimum(np.abs(own - warp(other, flow)).sum(-1), CUT_OFF)
        error += 1.2 * np.minimum(np.linalg.norm(flow + warp(back, flow), axis=-1), 6)
        x, y = np.moveaxis(grid(height, width) + flow, -1, 0)
        error += 6 * ((x < -1) | (x > width) | (y < -1) | (y > height))
        length = np.minimum(np.linalg.norm(flow, axis=-1), 150)
        costs.append(sum(s(error) for s in smooth) / len(smooth) + 0.1 * error + 0.012 * length)
    choice = np.argmin(costs, 0)
    return np.choose(choice[..., None], [flow for flow, _ in candidates]).astype(np.float32)


def affine(flow, step=9):
    """One affine motion for the whole picture, and its inverse; None when none fits."""
    height, width = flow.shape[:2]
    places = grid(height, width)
    points = places[4::step, 4::step].reshape(-1, 2)
    moved = points + flow[4::step, 4::step].reshape(-1, 2)
    matrix, _ = cv2.estimateAffine2D(points, moved, ransacReprojThreshold=1.5, maxIters=300)
    if matrix is None or abs(np.linalg.det(matrix[:, :2])) < 1e-3:
        return None
    return [
        (places @ m[:, :2].T + m[:, 2] - places).astype(np.float32) for m in (matrix, cv2.invertAffineTransform(matrix))
    ]


def hypotheses(first, last, cells=CELLS):
    """The product's start: several flows, the best for each place, refined. → flows both ways."""
    greys, looks = (grey(first), grey(last)), (features(first), features(last))
    turned = greys[::-1]
    far = coarse(first, last, cells)
    still = np.zeros((*first.shape[:2], 2), np.float32)
    pairs = [
        (dis(*greys), dis(*turned)),
        (still, still),
        (dis(*greys, far[0]), dis(*turned, far[1])),
        tuple(far),
    ]
    whole = affine(best(looks, pairs))
    if whole is not None:
        pairs.append(tuple(whole))
    swapped = [pair[::-1] for pair in pairs]
    flows = [best(looks, pairs), best(looks[::-1], swapped)]
    flows = [np.dstack([cv2.medianBlur(np.ascontiguousarray(f[..., c]), 5) for c in (0, 1)]) for f in flows]
    refined = [dis(*greys, flows[0], 0), dis(*turned, flows[1], 0)]
    pairs = [tuple(flows), tuple(refined)]
    swapped = [pair[::-1] for pair in pairs]
    return best(looks, pairs, (5, 9)), best(looks[::-1], swapped, (5, 9))


def to_cells(flow, trusted, cell=8):
    """Mean flow of each cell, what is trusted more counting more, still in pixels; the border repeats.

    `flow: [h, w, 2]`, `trusted: [h, w]` 0..=1 → `[2, h / cell, w / cell]`
    """
    weight = trusted[..., None] + LEAST
    beyond = [(0, -side % cell) for side in flow.shape[:2]] + [(0, 0)]
    values = np.pad(np.dstack((flow * weight, weight)), beyond, mode="edge")
    height, width = (side // cell for side in values.shape[:2])
    sums = values.reshape(height, cell, width, cell, 3).sum((1, 3)).transpose(2, 0, 1)
    return (sums[:2] / sums[2:]).astype(np.float32)


def trust(looks, flow, back):
    """How far a flow is to be believed, 0..=1: it agrees with its way back and joins like to like."""
    away = np.linalg.norm(flow + warp(back, flow), axis=-1) / (1 + 0.08 * np.linalg.norm(flow, axis=-1))
    differ = cv2.blur(np.abs(looks[0] - warp(looks[1], flow)).sum(-1), (5, 5))
    return np.exp(-0.5 * away * away - np.minimum(differ, 60) / 18)


def both_to_cells(first, last, pair):
    """A flow between two pictures and its way back as cells: `[4, h / 8, w / 8]`, whole cells.

    A plain mean across an outline is neither motion, so what is trusted more decides.
    """
    looks = features(first), features(last)
    forth, back = trust(looks, *pair), trust(looks[::-1], *pair[::-1])
    return np.concatenate((to_cells(pair[0], forth), to_cells(pair[1], back)))


def is_cut(first, last, flow, back):
    """Whether two keys show different scenes: little of one is found in the other."""
    found = float((trust((features(first), features(last)), flow, back) > 0.4).mean())
    histograms = [cv2.calcHist([p], [0, 1, 2], None, [6] * 3, [0, 256] * 3) for p in (first, last)]
    common = np.minimum(*histograms).sum() / histograms[0].sum()
    return bool(found < 0.12 or (common < 0.35 and found < 0.35))
