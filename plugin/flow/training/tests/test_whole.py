"""Whole figures are told from torn, doubled, frozen and lost ones, whatever their timing."""

import cv2
import numpy as np
import pytest

from inbetween_training import whole
from inbetween_training.pictures import raw, write

SIZE = 200, 320


def drawing(share, alpha=False, ground=0):
    """A figure of a body and a head on its way over a ground that is shifted by so many pixels."""
    picture = np.full((*SIZE, 4 if alpha else 3), 0 if alpha else 235, np.uint8)
    if not alpha:
        for x in range(0, 900, 40):
            cv2.rectangle(picture, (x - ground, 150), (x - ground + 18, 199), (90, 140, 90), -1)
    x = round(50 + 200 * share)
    body, ink = ((200, 60, 40), (0, 0, 0)) if not alpha else ((200, 60, 40, 255), (0, 0, 0, 255))
    for centre, radius in (((x, 100), 30), ((x + 10, 60), 18)):
        cv2.circle(picture, centre, radius, body, -1)
        cv2.circle(picture, centre, radius, ink, 3)
    return picture


def scene(folder, alpha=False, pan=0):
    for number in range(17):
        write(folder / f"true_{number:02}.png", drawing(number / 16, alpha, round(pan * number / 16)))
    return whole.Scene(folder)


@pytest.mark.parametrize("alpha", (False, True))
def test_the_truth_is_whole_early_or_late_and_a_held_key_is_not(tmp_path, alpha):
    one = scene(tmp_path, alpha)
    assert one.has_figure
    for first, last, numbers in whole.spans(1) + whole.spans(2):
        assert len(numbers) == 7
        for number in numbers:
            row = one.judge(first, last, number, one.true[number])
            assert row["whole"] and row["error"] == 0 and row["shape"] == 1 and row["pieces"] == 0
    assert one.judge(0, 16, 8, one.true[6])["whole"], "a figure that is a little early is whole"
    assert not one.judge(0, 16, 8, one.true[3])["whole"], "not where it is on its way"
    assert sum(one.judge(0, 16, 2 * n, one.true[0 if n < 4 else 16])["whole"] for n in range(1, 8)) <= 2


def test_what_is_torn_mixed_or_lost_is_not_whole(tmp_path):
    one = scene(tmp_path)
    true, ground = one.true[8], drawing(-9)
    torn = true.copy()
    torn[85:95] = ground[85:95]
    assert one.judge(0, 16, 8, torn)["pieces"] == 1 and not one.judge(0, 16, 8, torn)["whole"]
    mixed = cv2.addWeighted(one.true[0], 0.5, one.true[16], 0.5, 0)
    assert not one.judge(0, 16, 8, mixed)["whole"]
    assert one.judge(0, 16, 8, ground)["area"] == 0 and not one.judge(0, 16, 8, ground)["whole"]
    headless = true.copy()
    headless[:72] = ground[:72]
    row = one.judge(0, 16, 8, headless)
    assert not row["whole"] and row["area"] < 0.85 and 0 < row["error"] < 10
    recoloured = np.where((true == (200, 60, 40)).all(-1)[..., None], (40, 60, 200), true).astype(np.uint8)
    assert one.judge(0, 16, 8, recoloured)["shape"] < 0.4


def test_a_shift_of_the_whole_figure_is_found(tmp_path):
    one = scene(tmp_path)
    for share in (0.3, 0.5, 0.8):
        assert whole.Figure(drawing(share), one.ground).agrees(one.figures[8]) > 0.99
    far = whole.Figure(drawing(1.0), one.ground)
    assert far.agrees(one.figures[0]) < 0.5, "farther than a third of the picture"


def test_under_a_pan_there_is_no_figure_to_cut_out(tmp_path):
    one = scene(tmp_path, pan=400)
    assert not one.has_figure
    assert set(one.judge(0, 16, 8, one.true[8])) == {"error"}


def test_a_method_without_transparency_is_judged_over_a_plain_ground(tmp_path):
    with_alpha = scene(tmp_path, alpha=True)
    flat = whole.Scene(tmp_path, with_alpha=False)
    row = flat.judge(0, 16, 8, whole.over(with_alpha.true[8]))
    assert row["whole"] and row["error"] == 0
    assert raw(tmp_path / "true_08.png").shape[2] == 4 and flat.true[8].shape[2] == 3


def test_spans_share_out_the_true_drawings():
    assert whole.spans(1) == [(0, 16, [2, 4, 6, 8, 10, 12, 14])]
    assert whole.spans(2)[1] == (8, 16, [9, 10, 11, 12, 13, 14, 15])
    assert whole.spans(4)[3] == (12, 16, [13, 14, 15]) and whole.spans(8)[7] == (14, 16, [15])
