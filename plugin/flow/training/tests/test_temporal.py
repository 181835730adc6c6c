"""Temporal measures tell even movement from everything that an eye takes for unrest."""

import cv2
import numpy as np
import pytest

from inbetween_training import temporal

STEPS = 8


def scene(right, down=0.0, turn=0.0, detail=False):
    """A face-like drawing, moved and turned, over a ground line; positions to a sixteenth of a pixel."""
    picture = np.full((200, 280, 3), 235, np.uint8)
    cv2.line(picture, (0, 180), (280, 172), (90, 120, 60), 3)
    cos, sin = np.cos(turn), np.sin(turn)

    def at(x, y):
        x, y = x - 35, y - 35
        return round((55 + right + cos * x - sin * y) * 16), round((90 + down + sin * x + cos * y) * 16)

    outline = np.array([at(8, 8), at(62, 4), at(66, 54), at(35, 70), at(4, 58)])
    cv2.fillPoly(picture, [outline], (200, 80, 70), cv2.LINE_AA, 4)
    cv2.polylines(picture, [outline], True, (20, 20, 30), 3, cv2.LINE_AA, 4)
    for x in (25, 48):
        cv2.circle(picture, at(x, 28), 5 * 16, (20, 20, 30), 2, cv2.LINE_AA, 4)
    if detail:
        cv2.line(picture, (220, 30), (255, 50), (20, 20, 30), 2, cv2.LINE_AA)
    return picture


def series(way, **others):
    """Drawings along `way`, a function of the position; further arguments of `scene` as functions of the number."""
    return [scene(way(n / STEPS), **{k: f(n) for k, f in others.items()}) for n in range(STEPS + 1)]


def even(total):
    return series(lambda t: total * t)


def faded(total):
    first, last = scene(0), scene(total)
    return [cv2.addWeighted(first, 1 - n / STEPS, last, n / STEPS, 0) for n in range(STEPS + 1)]


@pytest.mark.parametrize("total", [0, 4, 20, 60, 110])
def test_even_movement_scores_next_to_nothing_at_any_speed(total):
    moved = temporal.score(even(total))
    assert moved["uneven"] < 0.1 and moved["flicker"] < 1


def test_turning_evenly_is_even():
    moved = temporal.score(series(lambda t: 40 * t, turn=lambda n: 0.08 * n))
    assert moved["uneven"] < 0.1 and moved["flicker"] < 1


def above(worse, better):
    return all(worse[name] > 3 * better[name] + 0.2 for name in temporal.NAMES)


@pytest.mark.parametrize("total", [20, 60, 110])
def test_a_dissolve_is_worse_than_movement(total):
    assert above(temporal.score(faded(total)), temporal.score(even(total)))


@pytest.mark.parametrize("total", [20, 60, 110])
def test_a_key_that_is_held_and_then_leaps_is_worse_than_movement(total):
    held = series(lambda t: total * (t >= 0.5))
    assert above(temporal.score(held), temporal.score(even(total)))


def test_trembling_is_worse_along_the_way_and_across_it_and_grows():
    calm, along, across, more = (
        temporal.score(drawn)
        for drawn in (
            even(64),
            series(lambda t: 64 * t + 4 * (round(t * STEPS) % 2)),
            series(lambda t: 64 * t, down=lambda n: 4 * (n % 2)),
            series(lambda t: 64 * t, down=lambda n: 8 * (n % 2)),
        )
    )
    assert above(along, calm) and above(across, calm)
    assert more["uneven"] > 1.3 * across["uneven"]


def test_details_that_pop_up_or_drop_out_cost():
    calm = temporal.score(even(48))
    for shown in ((3,), (3, 4, 5), (0, 1, 2, 4, 5, 6, 7, 8)):
        popping = temporal.score(series(lambda t: 48 * t, detail=lambda n, shown=shown: n in shown))
        assert above(popping, calm)
    always = temporal.score(series(lambda t: 48 * t, detail=lambda n: True))
    assert always["uneven"] < 0.1 and always["flicker"] < 1


def test_speeding_up_and_slowing_down_is_less_even():
    eased = temporal.score(series(lambda t: 110 * t * t))
    assert eased["uneven"] > temporal.score(even(110))["uneven"] + 0.2


def test_the_scale_does_not_matter():
    drawn = faded(60)
    large = [cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for picture in drawn]
    small, large = temporal.score(drawn), temporal.score(large)
    assert all(0.6 < large[name] / small[name] < 1.6 for name in temporal.NAMES)


def test_pages_without_lines_are_quiet():
    assert temporal.score([np.full((40, 60, 3), 200, np.uint8)] * 3) == {"uneven": 0.0, "flicker": 0.0}
