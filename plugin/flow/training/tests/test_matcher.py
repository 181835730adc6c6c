"""The matcher: what it learns from is exact, what it computes is what it says, and it learns."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from inbetween_training import pairs, train_matcher
from inbetween_training.drawings import Bank
from inbetween_training.export import export, read_checkpoint
from inbetween_training.matcher import CELL, Config, Matcher, grid
from inbetween_training.network import warp
from inbetween_training.pairs import Pairs, both_ways, drawn_part, errors, held_out, joined, lit

SMALL = Config(channels=(8, 12, 16), blocks=1, heads=2, descriptor=16, handed=8, hidden=12)


@pytest.fixture(scope="module")
def bank():
    return Bank.draw(seed=5, sprites=60, grounds=8)


def source(bank, seed=1):
    return Pairs(bank, [seed])


def landed(one):
    """How far the other key moved by the flow is from each key where it is seen, and without moving it."""
    keys = F.avg_pool2d(one["keys"].flatten(0, 1), CELL).unflatten(0, one["keys"].shape[:2])
    flow, seen = both_ways(one)
    own, other = torch.cat(keys.unbind(1)), torch.cat(keys.flip(1).unbind(1))
    inner = F.avg_pool2d(F.pad(seen, (1, 1, 1, 1)), 3, 1) > 0.999
    moved, still = ((p - own).abs().amax(1, keepdim=True)[inner] for p in (warp(other, flow), other))
    return moved.mean().item(), still.mean().item(), inner.float().mean().item()


def test_the_other_key_moved_by_the_flow_lands_on_the_key(bank, monkeypatch):
    monkeypatch.setattr(pairs, "FARTHER", 1.0)
    shown = {name: source(bank).batch(24, 192)[name] for name in ("keys", "flow", "seen")}
    moved, still, part = landed(shown)
    assert part > 0.2
    # Cells mix what lies beside each other, so lines do not land exactly.
    assert moved < 0.06 and moved < 0.4 * still
    assert both_ways(shown)[0].norm(dim=1).amax() > 160 / 512 * 192 / CELL, "keys lie far apart"


def test_a_mirrored_or_reversed_pair_is_still_exact(bank):
    maker = source(bank, 3)
    one = pairs.drawn(maker.plates, maker.rng, (80, 128))
    plain = landed(joined([one]))
    seen = set()
    for _ in range(12):
        turned = maker.mirrored(one)
        assert landed(joined([turned]))[0] == pytest.approx(plain[0], rel=0.35, abs=0.01)
        seen.add(tuple(turned["flow"].mean((1, 2)).sign().tolist()))
    assert len(seen) > 2


def test_sizes_are_whole_cells_of_about_the_same_area():
    rng = np.random.default_rng(0)
    found = {pairs.shape(rng, 192) for _ in range(200)}
    assert (112, 192) in found and len(found) == len(pairs.SIDES)
    assert all(h % 8 == 0 and w % 8 == 0 and abs(h * w / (112 * 192) - 1) < 0.08 for h, w in found)


def test_other_light_changes_colours_but_not_what_is_where():
    rng = np.random.default_rng(2)
    keys = torch.zeros(8, 2, 3, 32, 48)
    keys[..., 8:24, 10:30] = torch.rand(8, 1, 3, 1, 1)
    for _ in range(6):
        other = lit(keys, rng)
        assert other.shape == keys.shape and other.min() >= 0 and other.max() <= 1
    assert not torch.equal(other, keys)
    assert drawn_part(keys).unique().numel() > 1 and drawn_part(torch.ones(2, 2, 3, 16, 16)).max() < 0.11


def test_cuts_show_nothing_of_each_other(bank, monkeypatch):
    monkeypatch.setattr(pairs, "UNRELATED", 0.5)
    maker = source(bank, 4)
    one = joined(pairs.drawn(maker.plates, maker.rng, (40, 64)) for _ in range(8))
    cut, related = maker.unrelated(one)
    assert 0 < related.sum() < 8
    for i in range(8):
        assert torch.equal(cut["keys"][i, 1], one["keys"][i if related[i] else (i - 1) % 8, 1])
        assert bool((cut["seen"][i] == 0).all()) != bool(related[i])


def test_swapped_keys_swap_the_answer():
    torch.manual_seed(0)
    net, (a, b) = Matcher(SMALL).eval(), torch.rand(2, 2, 3, 32, 48)
    for parameter in net.out.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.no_grad():
        one, other = net(a, b), net(b, a)
    for name in ("flows", "seen", "sure"):
        for x, y in zip(one[name], other[name]):
            assert torch.allclose(x, y.roll(2, 0), atol=1e-4)
    assert len(one["flows"]) == 1 + SMALL.rounds and one["flows"][-1].shape == (4, 2, 8, 12)


def test_its_light_does_not_matter_to_what_it_sees():
    torch.manual_seed(0)
    net, (a, b) = Matcher(SMALL).eval(), torch.rand(2, 1, 3, 32, 48) * 0.5 + 0.3
    with torch.no_grad():
        one, darker = net(a, b), net(a, 0.5 * b + 0.1)
    # Only the little that keeps flat pictures from being blown up remains.
    assert (one["flows"][0] - darker["flows"][0]).abs().max() < 0.5


def test_correlation_finds_the_place_that_looks_the_same():
    height, width = 6, 9
    net = Matcher(SMALL)
    cells = F.normalize(torch.randn(1, height, width, 64), dim=-1)
    first, last = cells.flatten(1, 2), cells.roll((1, 2), (1, 2)).flatten(1, 2)
    score = 40 * first @ last.transpose(1, 2)
    flow, agreed, total = net.match(score, height, width)
    inner = flow[0].view(height, width, 2)[:-1, :-2]
    assert torch.allclose(inner, torch.tensor([2.0, 1.0]).expand_as(inner), atol=1e-3)
    assert agreed.min() > 0.99 and total.shape == (2, height * width)
    assert torch.allclose(flow[1].view(height, width, 2)[1:, 2:], -torch.tensor([2.0, 1.0]), atol=1e-3)
    exact = torch.cat((flow[:1], flow[1:])).transpose(1, 2).unflatten(2, (height, width))
    sure = train_matcher.surprise({"score": score, "total": total}, exact.round())
    lost = train_matcher.surprise({"score": score, "total": total}, torch.zeros_like(exact))
    assert sure.max() < 0.01 and lost.mean() > 10


def test_looking_around_a_motion_reads_the_scores_between_cells():
    height, width = 7, 8
    net, score = Matcher(SMALL), torch.randn(1, 56, 56)
    flow = torch.randn(2, 2, height, width) * 2
    looked = net.look(score, flow) * net.temp.exp()
    places = grid(height, width, "cpu") + flow
    for way, table in enumerate((score[0], score[0].T)):
        x, y = random.Random(1).randrange(width), random.Random(2).randrange(height)
        at = places[way, :, y, x].clamp(min=torch.zeros(2), max=torch.tensor([width - 1.0, height - 1.0]))
        scaled = at / torch.tensor([(width - 1) / 2, (height - 1) / 2]) - 1
        wanted = F.grid_sample(
            table[y * width + x].view(1, 1, height, width), scaled.view(1, 1, 1, 2), align_corners=True
        )
        assert looked[way, 12, y, x].item() == pytest.approx(wanted.item(), abs=1e-4)


def test_unsure_cells_take_over_the_motion_of_sure_ones():
    net = Matcher(SMALL)
    for layer in (net.hq, net.hk):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    flow, agreed = torch.zeros(1, 20, 2), torch.zeros(1, 20)
    flow[0, :4], agreed[0, :4] = torch.tensor([3.0, -1.0]), 1.0
    flow[0, 4:] = 50.0
    handed = net.hand_on(torch.rand(1, 20, 16), flow, agreed)
    # All cells look the same, so only trust decides.
    share = 4 / (4 + 16 * (0.02 / 1.02) ** (net.sure.item() / 8**0.5))
    wanted = share * torch.tensor([3.0, -1.0]) + (1 - share) * 50
    assert torch.allclose(handed[0, 4:], wanted.expand(16, 2), atol=1e-2)
    assert torch.allclose(handed[0, :4], flow[0, :4]), "who is sure keeps its own"


def test_it_learns_and_goes_on_from_a_checkpoint(bank, tmp_path, monkeypatch):
    monkeypatch.setattr(train_matcher, "RISE", 20)
    torch.manual_seed(1)
    maker, run = source(bank, 6), train_matcher.Run(SMALL, 3e-3)
    one = joined(pairs.drawn(maker.plates, maker.rng, (48, 64)) for _ in range(4))
    told = [run.learn(one, torch.ones(4), one["keys"], 0.0) for _ in range(60)]
    assert told[-1]["place"] < 0.5 * told[0]["place"] and told[-1]["flow"] < 0.8 * told[0]["flow"]
    run.save(tmp_path / "newest.pt")
    again = train_matcher.Run(SMALL, 3e-3)
    again.load(tmp_path / "newest.pt")
    assert (again.step, again.samples) == (60, 240)
    a, b = (r.learn(one, torch.ones(4), one["keys"], 0.5) for r in (run, again))
    assert a == pytest.approx(b, rel=1e-4)
    assert run.rate(1.0) == pytest.approx(train_matcher.LOW * run.rate(0.0))
    net = read_checkpoint(tmp_path / "newest.pt")
    assert isinstance(net, Matcher) and net.config == SMALL
    export(net, tmp_path / "m.safetensors", "test")
    back = read_checkpoint(tmp_path / "m.safetensors")
    assert back.config.version == "test"
    with torch.no_grad():
        x, y = (n(one["keys"][:, 0], one["keys"][:, 1])["flows"][-1] for n in (net, back))
    assert (x - y).abs().mean() < 0.05


def test_held_out_pairs_know_what_others_find(bank):
    held = held_out(bank, 9, 2, long_side=64)
    for one in held:
        assert one["keys"].shape == (2, 3, 40, 64) and one["flow"].shape == (4, 10, 16)
        assert set(one["others"]) == {"dis", "start", "still"}
        assert errors(one["flow"], one)[:, 1].max() < 1e-4
        still = errors(one["others"]["still"], one)
        assert torch.allclose(still[:, 0], still[:, 1])
    net = Matcher(SMALL)
    told = train_matcher.validate(net, held)
    assert set(told) == {"same", "other", "trusted"} and set(train_matcher.compared(held)) == {"dis", "start", "still"}
