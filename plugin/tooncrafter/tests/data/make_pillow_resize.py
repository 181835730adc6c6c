"""Made pillow_resize.safetensors with Pillow 13.0.0: the published script's way to model size.

Shorter side to the frame's shorter side (antialiased bilinear on 8 bits), then a centre crop
with black padding, rounded as torchvision's Resize and CenterCrop round.
"""
import numpy as np
from PIL import Image
from safetensors.numpy import save_file

CASES = [((61, 90), (24, 40)), ((120, 50), (24, 40)), ((20, 20), (32, 48)), ((33, 200), (20, 32)), ((7, 5), (24, 40))]


def to_model_size(picture, height, width):
    h, w, _ = picture.shape
    target = min(height, width)
    size = (target, int(target * h / w)) if w <= h else (int(target * w / h), target)
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.BILINEAR))
    h, w, _ = scaled.shape
    left, top = max(width - w, 0) // 2, max(height - h, 0) // 2
    right, bottom = max(width - w + 1, 0) // 2, max(height - h + 1, 0) // 2
    scaled = np.pad(scaled, ((top, bottom), (left, right), (0, 0)))
    h, w, _ = scaled.shape
    y, x = int(round((h - height) / 2.0)), int(round((w - width) / 2.0))
    return scaled[y:y + height, x:x + width]


rng = np.random.default_rng(5)
tensors = {}
for i, ((h, w), (height, width)) in enumerate(CASES):
    y, x = np.mgrid[0:h, 0:w]
    waves = [np.sin(x / (3 + c)) * np.cos(y / (4 + c)) for c in range(3)]
    picture = np.stack(waves, -1) * 90 + 128 + rng.normal(0, 20, (h, w, 3))
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    tensors[f"in.{i}"] = picture
    tensors[f"out.{i}"] = np.ascontiguousarray(to_model_size(picture, height, width))
save_file(tensors, "pillow_resize.safetensors")
