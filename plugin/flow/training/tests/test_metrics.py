"""Measures see what they are for."""

import cv2
import numpy as np

from inbetween_training import metrics


def page(*strokes):
    picture = np.full((96, 128, 3), 255, np.uint8)
    for start, end in strokes:
        cv2.line(picture, start, end, (0, 0, 0), 2)
    return picture


TRUTH = page(((10, 40), (118, 40)))


def test_the_truth_scores_perfectly():
    row = metrics.score(page(((10, 20), (118, 20))), page(((10, 60), (118, 60))), TRUTH, TRUTH)
    assert row == {"psnr": 60.0, "ssim": 1.0, "chamfer": 0.0, "ghost": 0.0, "crumbs": 0.0}


def test_a_dissolve_is_all_ghost():
    first, last = (np.zeros((96, 128, 3), np.uint8) for _ in range(2))
    first[20:40, 20:60], last[20:40, 60:100] = 255, 255
    truth = np.zeros_like(first)
    truth[20:40, 40:80] = 255
    mixed = cv2.addWeighted(first, 0.5, last, 0.5, 0)
    assert metrics.ghost(first, last, truth, mixed) == 100.0
    assert metrics.ghost(first, last, truth, first) == 0.0


def test_crumbs_are_small_pieces_off_the_lines():
    crumbs = page(((10, 40), (118, 40)), ((30, 70), (31, 70)), ((60, 80), (61, 80)))
    assert metrics.crumbs(metrics.lines(crumbs), metrics.lines(TRUTH)) == 2
    long = page(((10, 40), (118, 40)), ((30, 70), (90, 70)))
    assert metrics.crumbs(metrics.lines(long), metrics.lines(TRUTH)) == 0


def test_a_line_farther_off_costs_as_many_pixels_more():
    near, far = (metrics.lines(page(((10, y), (118, y)))) for y in (60, 70))
    more = metrics.chamfer(metrics.lines(TRUTH), far) - metrics.chamfer(metrics.lines(TRUTH), near)
    assert abs(more / 100 * np.hypot(96, 128) - 10) < 1.5


def test_a_held_key_is_a_clean_cut():
    other = 255 - TRUTH
    assert metrics.cut_distance(TRUTH, other, TRUTH) == 0
    assert metrics.cut_distance(TRUTH, other, cv2.addWeighted(TRUTH, 0.5, other, 0.5, 0)) > 100


def test_timing_is_forgiven_where_another_position_shows_the_truth():
    def stroke(x):
        return page(((x, 10), (x, 80)))

    late, truth = stroke(52), stroke(46)
    own = metrics.likeness(truth, late)
    assert own["psnr"] < 40
    assert metrics.timed(truth, [stroke(40), stroke(46)], own) == {"psnr timed": 60.0, "ssim timed": 1.0}
    assert metrics.timed(truth, [stroke(90)], own) == {"psnr timed": own["psnr"], "ssim timed": own["ssim"]}
