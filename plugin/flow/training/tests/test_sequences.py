"""Measures of a sequence of keys tell a path that jerks at a key from one that goes on."""

from test_temporal import series

from inbetween_training.sequences import judged

KEYS = (0, 4, 8)


def test_the_true_drawings_are_right_and_go_on():
    true = series(lambda t: 60 * t * t)
    found = judged(true, true, KEYS)
    assert found["error"] == 0
    assert found["jerk"] < 1.5


def test_a_path_that_knows_two_keys_alone_jerks_at_the_third():
    true = series(lambda t: 120 * t * t)
    # Even within each span, four times as fast in the second half as a whole.
    straight = series(lambda t: 60 * t if t < 0.5 else 30 + 180 * (t - 0.5))
    found, truth = judged(straight, true, KEYS), judged(true, true, KEYS)
    assert found["error"] > 0.5
    assert found["jerk"] > 2 * truth["jerk"]
