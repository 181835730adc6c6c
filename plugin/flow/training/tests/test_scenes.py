"""The generator's word is exact: what it says of flows and visibility holds in the pictures."""

import numpy as np
import pytest
import torch

from inbetween_training import compose
from inbetween_training.drawings import Bank
from inbetween_training.network import twice, warp
from inbetween_training.samples import make
from inbetween_training.scenes import batch, sample

SIZE = 128


@pytest.fixture(scope="module")
def bank():
    return Bank.draw(seed=5, sprites=45, grounds=6)


def drawn(bank, seed, count=4):
    rng = np.random.default_rng(seed)
    scenes = batch([sample(rng, bank, SIZE, boil=0.0) for _ in range(count)], SIZE)
    return scenes, make(compose.Plates(bank), scenes)


@pytest.mark.parametrize("seed", range(3))
def test_both_keys_moved_by_the_flow_land_on_the_inbetween(bank, seed):
    _, one = drawn(bank, seed)
    for key, k in ((0, 0), (2, 1)):
        moved = warp(one["frames"][:, key], twice(one["motion"][:, 2 * k : 2 * k + 2]))
        # A pixel counts when all cells around it are seen: borders of things mix two colours.
        seen = twice(one["seen"][:, k : k + 1]) > 0.999
        inner = torch.nn.functional.avg_pool2d(seen.float(), 5, 1, 2) > 0.999
        apart = (moved - one["frames"][:, 1]).abs().amax(1, keepdim=True)[inner]
        still = (one["frames"][:, key] - one["frames"][:, 1]).abs().amax(1, keepdim=True)[inner]
        assert inner.float().mean() > 0.4
        assert apart.mean() < 0.02
        assert apart.mean() < 0.5 * still.mean()


def test_going_to_a_key_and_back_ends_at_the_start(bank):
    scenes, _ = drawn(bank, 7)
    front = [compose.draw(compose.Plates(bank), scenes, k)[1] for k in range(3)]
    forth, seen = compose.flow(scenes, front, 0, 2, stride=1)
    back, _ = compose.flow(scenes, front, 2, 0, stride=1)
    # At the place reached, the way back of the same layer undoes the way there.
    away = (forth + warp(back, forth)).norm(dim=1, keepdim=True)
    steady = torch.nn.functional.avg_pool2d(seen, 5, 1, 2) > 0.999
    assert away[steady].median() < 0.01


def test_a_bend_is_undone_to_a_thousandth_of_a_pixel(bank):
    rng = np.random.default_rng(0)
    scenes = batch([sample(rng, bank, SIZE) for _ in range(6)], SIZE)
    scenes.wave[..., 0], scenes.bend = 0.06 * torch.sign(scenes.wave[..., 0]), torch.ones_like(scenes.bend)
    front = [torch.randint(0, 3, (6, SIZE, SIZE))] * 3
    there, _ = compose.flow(scenes, front, 1, 1, stride=1)
    assert there.abs().max() < 2e-3, "to the same time nothing moves"


def test_what_leaves_the_picture_is_not_seen(bank):
    scenes, one = drawn(bank, 11)
    here = compose.centres(SIZE // 2, SIZE // 2, 2, "cpu").permute(2, 0, 1)
    for k in range(2):
        there = here + one["motion"][:, 2 * k : 2 * k + 2]
        outside = ((there < -0.5) | (there > SIZE - 0.5)).any(1, keepdim=True)
        assert one["seen"][:, k : k + 1][outside].sum() == 0


def test_something_hides_something(bank):
    _, one = drawn(bank, 3, count=8)
    hidden = 1 - one["seen"]
    assert 0.0 < hidden.mean() < 0.5
    assert (one["seen"][:, 0] != one["seen"][:, 1]).any(), "some pixels are seen by one key alone"


def test_the_same_seed_draws_the_same_scenes(bank):
    assert all(torch.equal(a, b) for a, b in zip(drawn(bank, 9)[1].values(), drawn(bank, 9)[1].values()))


def test_drawing_within_bounds_equals_drawing_whole_pictures(bank, monkeypatch):
    _, bounded = drawn(bank, 13)
    monkeypatch.setattr(compose, "window", lambda pose, size: (0, 0, *size))
    _, whole = drawn(bank, 13)
    assert (bounded["frames"] - whole["frames"]).abs().max() < 1e-5
