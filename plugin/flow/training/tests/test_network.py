"""The network's parts, and the way of its weights into the product's file."""

import json

import pytest
import torch
from safetensors import safe_open

from inbetween_training import losses
from inbetween_training.draw import Tweener, paint
from inbetween_training.export import export, read_checkpoint
from inbetween_training.network import Config, TweenNet, before_ground, blend, fill_holes, flow_at, settle, warp

TINY = Config(channels=(4, 4, 8), hidden=(8, 4, 4), attention=1)


def net(seed=0):
    torch.manual_seed(seed)
    made = TweenNet(TINY)
    for dec in (made.d3, made.d2, made.d1):
        torch.nn.init.normal_(dec.o.weight, std=0.02)
    return made.eval()


def keys(height=32, width=48):
    torch.manual_seed(1)
    return torch.rand(2, 3, height, width), torch.rand(2, 3, height, width)


def test_an_untrained_decoder_moves_keys_by_the_start():
    first = torch.rand(1, 3, 64, 64)
    start = torch.zeros(1, 4, 8, 8)
    start[:, 0], start[:, 2] = 8, -8
    last = warp(first, torch.tensor([-8.0, 0]).view(1, 2, 1, 1).expand(1, 2, 64, 64))
    out = TweenNet(TINY)(first, last, torch.tensor([0.5]), start)
    inner = out["motion"][..., 16:48, 16:48]
    assert torch.allclose(inner[:, 0], torch.full_like(inner[:, 0], -4), atol=1e-3)
    assert torch.allclose(inner[:, 2], torch.full_like(inner[:, 2], 4), atol=1e-3)
    assert (out["first"] - out["last"])[..., 16:48, 16:48].abs().max() < 1e-3


def test_flows_meet_at_the_position():
    between = torch.zeros(1, 4, 6, 10)
    between[:, 0], between[:, 2] = 2, -2
    flow = flow_at(between, torch.ones(1, 2, 6, 10), torch.tensor([0.25]))
    assert torch.allclose(flow[:, 0], torch.full_like(flow[:, 0], -0.5), atol=1e-3)
    assert torch.allclose(flow[:, 2], torch.full_like(flow[:, 2], 1.5), atol=1e-3)


def test_holes_take_what_surrounds_them():
    x, known = torch.full((1, 1, 9, 9), 3.0), torch.ones(1, 1, 9, 9)
    known[..., 2:7, 2:7] = 0
    x = x * known
    assert torch.allclose(fill_holes(x, known), torch.full_like(x, 3.0), atol=1e-4)


@pytest.mark.parametrize("given", [True, False])
def test_every_weight_learns(given):
    made, (first, last) = net().train(), keys()
    start = torch.randn(2, 4, 4, 6) * 4 if given else None
    out = made(first, last, torch.tensor([0.5, 0.3]), start)
    sample = {
        "frames": torch.stack((first, first, last), 1),
        "motion": torch.randn(2, 4, 16, 24),
        "seen": (torch.rand(2, 2, 16, 24) > 0.5).float(),
        "between": torch.randn(2, 4, 4, 6),
        "time": torch.tensor([0.5, 0.3]),
    }
    value, parts = losses.total(out, sample)
    value.backward()
    assert all(torch.isfinite(part) for part in parts.values())
    matcher = ("sa.", "ca.", "proj.", "pk.", "temp")
    for name, weight in made.named_parameters():
        if given and name.startswith(matcher):
            continue
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_a_mask_that_names_the_wrong_key_costs_more():
    seen = torch.zeros(1, 2, 16, 16)
    seen[:, 0] = 1
    right, wrong = (torch.full((1, 5, 16, 16), odds) for odds in (4.0, -4.0))
    assert losses.mask((right,) * 3, seen) < 0.1 < losses.mask((wrong,) * 3, seen)


def test_exact_motion_costs_nothing_and_hidden_motion_little():
    exact, seen = torch.randn(1, 4, 16, 16).mean((2, 3), keepdim=True).expand(1, 4, 16, 16), torch.ones(1, 2, 16, 16)
    levels = [torch.cat((exact[..., ::k, ::k] / (2 * k), exact[:, :1, ::k, ::k]), 1) for k in (4, 2, 1)]
    assert losses.flow(levels, exact, seen) < 1e-4
    half = seen.clone()
    half[..., 8:] = 0
    off = exact.clone()
    off[..., 8:] += 5
    partly = losses.flow([levels[2]], off, half)
    assert 0 < partly < losses.flow([levels[2]], off, seen)


def test_export_and_back_draws_the_same(tmp_path):
    made, (first, last) = net(), keys()
    path = tmp_path / "flow.safetensors"
    export(made, path, "test", "dis")
    with safe_open(path, framework="pt") as stored:
        config = json.loads(stored.metadata()["config"])
        assert {stored.get_tensor(key).dtype for key in stored.keys()} == {torch.float16}
        assert set(stored.keys()) == set(made.state_dict())
    assert config == {
        "architecture": "tweennet",
        "version": "test",
        "channels": [4, 4, 8],
        "hidden": [8, 4, 4],
        "attention": 1,
        "start": "dis",
    }
    again = read_checkpoint(path)
    time, start = torch.tensor([0.5, 0.3]), torch.randn(2, 4, 4, 6)
    with torch.no_grad():
        apart = blend(made(first, last, time, start)) - blend(again(first, last, time, start))
    assert apart.abs().max() < 5e-3


def test_weights_beyond_half_precision_are_refused(tmp_path):
    made = net()
    made.pk.weight.data[0, 0] = 1e6
    with pytest.raises(ValueError, match="pk.weight"):
        export(made, tmp_path / "flow.safetensors", "test", "dis")


def test_a_settled_mask_picks_where_keys_differ_only():
    first, last = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    last[..., 8:] = 1
    motion = torch.zeros(1, 5, 16, 16)
    motion[:, 4] = 0.2
    odds = settle({"motion": motion, "first": first, "last": last}, torch.tensor([0.5]))[:, 4]
    assert torch.allclose(odds[..., :6], torch.tensor(0.2))
    assert torch.allclose(odds[..., 10:], torch.tensor(0.3 * (1 + 255 / 20)))


def test_what_moves_against_the_ground_counts_more():
    between = torch.zeros(1, 4, 4, 6)
    between[:, 0], between[0, 0, 1, 1] = 3, 0
    counts = before_ground(between, torch.ones(1, 2, 4, 6))
    assert counts[0, 0, 1, 2] == 1 and counts[0, 0, 1, 1] == 1 + 0.25 * 9 and (counts[0, 1] == 1).all()


def test_structure_is_what_the_standard_measure_says():
    from skimage.metrics import structural_similarity

    torch.manual_seed(3)
    truth = torch.rand(1, 3, 40, 48)
    drawn = (truth + 0.2 * torch.randn_like(truth)).clamp(0, 1)
    known = structural_similarity(
        truth[0].numpy(), drawn[0].numpy(), channel_axis=0, data_range=1.0, use_sample_covariance=False
    )
    assert abs(1 - known - losses.structure(drawn, truth, step=1).item()) < 1e-4
    assert losses.structure(truth, truth) < 1e-5


def test_identical_keys_come_out_as_they_are():
    picture = (torch.rand(40, 56, 3) * 255).byte().numpy()
    drawn = Tweener(TweenNet(TINY), "dis")(picture, picture, 0.5)
    assert (drawn.astype(int) - picture).max() <= 1


def test_motion_found_small_is_drawn_large():
    import numpy as np

    rng = np.random.default_rng(0)
    first = np.repeat(np.repeat(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8), 16, 0), 16, 1)
    motion = np.zeros((5, 64, 64), np.float32)
    motion[0], motion[4] = 8, 20
    drawn = paint(first, first, motion)
    assert np.array_equal(drawn[:, :112], first[:, 16:])
