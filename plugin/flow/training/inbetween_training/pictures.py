"""Reading and writing pictures as `[h, w, 3]` RGB bytes."""

import cv2
import numpy as np


def raw(path):
    """A picture of any depth as `[h, w, 3 or 4]` RGB or RGBA bytes."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise FileNotFoundError(f"{path} cannot be read as a picture")
    if picture.dtype == np.uint16:
        picture = ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(picture[..., [2, 1, 0, 3][: picture.shape[2]]])


def read(path):
    """A picture of any depth as RGB; what is transparent is seen over white."""
    picture = raw(path)
    if picture.shape[2] == 4:
        alpha = picture[..., 3:].astype(np.float32) / 255
        picture = (picture[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return picture


def write(path, picture):
    """Writes an RGB or RGBA picture, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture[..., [2, 1, 0, 3][: picture.shape[2]]]):
        raise OSError(f"{path} cannot be written")
