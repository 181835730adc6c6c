"""What users have today: dissolve, two optical flows with blending, and ffmpeg's motion interpolation.

A method is a function of two keys (`[h, w, 3]` RGB bytes) and positions 0..=1, and gives a picture for each.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2

from . import starts
from .pictures import read, write

RATES = (10, 8)
"""Frames between the keys that minterpolate is asked for, the first that lies nearest to a position."""


def mix(first, last, time):
    """Both pictures mixed."""
    return cv2.addWeighted(first, 1 - time, last, time, 0)


def dissolve(first, last, times):
    """Both keys mixed."""
    return [mix(first, last, time) for time in times]


def moved_and_mixed(find):
    """Each key moved backwards along its own flow, then both mixed."""

    def method(first, last, times):
        greys = starts.grey(first), starts.grey(last)
        forth, back = find(*greys), find(*greys[::-1])
        return [mix(starts.warp(first, -time * forth), starts.warp(last, -(1 - time) * back), time) for time in times]

    return method


def farneback(first, last):
    """Dense flow by polynomial expansion, with common settings."""
    return cv2.calcOpticalFlowFarneback(first, last, None, 0.5, 6, 21, 5, 7, 1.5, 0)


def minterpolate(first, last, times):
    """ffmpeg's motion interpolation, which knows tenths and eighths of the way here; others are rounded."""
    wanted = {time: min(RATES, key=lambda rate: round(abs(round(time * rate) / rate - time), 9)) for time in times}
    drawn = {rate: interpolated(first, last, rate) for rate in set(wanted.values())}
    return [drawn[rate][round(time * rate)] for time, rate in wanted.items()]


def interpolated(first, last, rate):
    """All frames from the first key to just before the last, `rate` of them."""
    filters = (
        f"minterpolate=fps={rate}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:me=epzs:search_param=64:vsbmc=1:scd=none"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The filter looks a frame ahead and one back.
        for number, picture in enumerate((first, first, last, last)):
            write(folder / f"{number}.png", picture)
        command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-framerate", "1", "-i", f"{folder}/%d.png"]
        subprocess.run([*command, "-vf", filters, "-frames:v", str(2 * rate), f"{folder}/out%03d.png"], check=True)
        frames = sorted(folder.glob("out*.png"))[rate:]
        if len(frames) < rate:
            raise RuntimeError(f"ffmpeg gave {len(frames)} frames between two keys where {rate} were asked for")
        return [read(frame) for frame in frames]


def peers():
    """The methods by name; minterpolate only where ffmpeg is installed."""
    methods = {
        "dissolve": dissolve,
        "farneback": moved_and_mixed(farneback),
        "dis": moved_and_mixed(lambda a, b: starts.dis(a, b, finest=0)),
    }
    if shutil.which("ffmpeg"):
        methods["minterpolate"] = minterpolate
    return methods
