"""Shards and augmentation keep pictures, flows and visibility together."""

import random

import numpy as np
import pytest
import torch

from inbetween_training.drawings import Bank
from inbetween_training.network import twice, warp
from inbetween_training.samples import GRAIN, STARTS, Live, Stored, augment, cut, grainy, spoil, write_shard
from inbetween_training.starts import to_cells


class Always(random.Random):
    """Says yes to one of `augment`'s questions and no to the others."""

    def __init__(self, question):
        super().__init__(0)
        self.left = question

    def random(self):
        self.left -= 1
        return 0.0 if self.left == -1 else 0.99

    def sample(self, population, k):
        return list(population)

    def uniform(self, low, high):
        return 1.0


@pytest.fixture(scope="module")
def live():
    return Live(Bank.draw(seed=5, sprites=45, grounds=6), [4], "cpu")


def misfit(one):
    """Mean distance of the moved first key from the in-between where it is seen."""
    moved = warp(one["frames"][:, 0], twice(one["motion"][:, :2]))
    seen = (twice(one["seen"][:, :1]) > 0.999).float()
    apart = (moved - one["frames"][:, 1]).abs().mean(1, keepdim=True)
    return ((apart * seen).sum() / seen.sum()).item()


@pytest.mark.parametrize("question", range(4))
def test_each_augmentation_keeps_flows_true(live, question):
    one = live.batch(6, 96)
    changed = augment(one, Always(question))
    assert not torch.allclose(changed["frames"], one["frames"], atol=1e-3), "the question changes the picture"
    still = (changed["frames"][:, 0] - changed["frames"][:, 1]).abs().mean().item()
    assert misfit(changed) < max(1.3 * misfit(one), 0.5 * still)


def test_shards_give_back_what_was_drawn(tmp_path):
    bank = Bank.draw(seed=2, sprites=30, grounds=3)
    for number in range(2):
        write_shard(tmp_path / f"scenes-{number}.npz", bank, number, 2, 96)
    stored = Stored(tmp_path)
    assert len(stored) == 2, "the first shard is held out"
    one = stored.batch(3, 64)
    assert one["frames"].shape == (3, 3, 3, 64, 64)
    assert one["starts"].shape == (3, len(STARTS), 4, 8, 8)
    assert one["motion"].shape == (3, 4, 32, 32)
    assert misfit(stored.validation(1)[0]) < 0.05


def test_a_window_cuts_all_grids_at_the_same_place():
    ramp = torch.arange(96.0).expand(3, 3, 96, 96).clone()
    one = {"time": torch.tensor(0.5), "frames": ramp, "between": ramp[0, :2, ::8, ::8]}
    window = cut(one, 48, random.Random(3))
    assert window["between"].shape == (2, 6, 6)
    assert torch.equal(window["between"][0, 0], window["frames"][0, 0, 0, ::8])


def test_an_empty_folder_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="make_scenes"):
        Stored(tmp_path).batch(1, 64)


def test_spoilt_starts_err_but_not_everywhere(live):
    exact = live.batch(8, 96)["between"]
    error = (spoil(exact, torch.Generator().manual_seed(1)) - exact).norm(dim=1)
    assert error.median() < 8
    assert error.max() > 4
    assert np.isfinite(error.numpy()).all()


def test_live_samples_never_repeat_and_follow_the_seed(live):
    one, other = live.batch(2, 64), live.batch(2, 64)
    assert not torch.equal(one["frames"], other["frames"])
    bank = Bank.draw(seed=5, sprites=45, grounds=6)
    pair = [Live(bank, [9], "cpu").batch(2, 64)["frames"] for _ in range(2)]
    assert torch.equal(*pair)


def test_grain_lies_on_the_keys_alone_and_on_each_its_own():
    one = {"frames": torch.full((8, 3, 3, 32, 32), 0.5), "time": torch.full((8,), 0.5)}
    torch.manual_seed(1)
    grained = grainy(one, random.Random(1))["frames"]
    first, truth, last = (grained[:, k] - 0.5 for k in range(3))
    assert (truth == 0).all()
    strengths = first.flatten(1).std(1)
    assert (strengths == 0).any() and GRAIN / 4 < strengths.max() < 1.2 * GRAIN
    loud = strengths > GRAIN / 4
    assert (first[loud] * last[loud]).mean().abs() < 0.1 * (first[loud] ** 2).mean()


def test_the_trusted_motion_decides_in_a_cell_on_an_outline():
    flow, trusted = np.zeros((12, 24, 2), np.float32), np.zeros((12, 24), np.float32)
    flow[:, ::4, 0], trusted[:, ::4] = 8, 1
    cells = to_cells(flow, trusted)
    assert cells.shape == (2, 2, 3), "the border makes whole cells"
    assert (cells[0] > 7.5).all() and (cells[1] == 0).all()
