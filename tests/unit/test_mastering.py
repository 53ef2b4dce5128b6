import numpy as np
import pytest

from banso.data.mastering import compression, level_db, lift_db, master, shelved

pytestmark = pytest.mark.lab

RATE = 44_100
TIME = np.arange(6 * RATE) / RATE


def tone(hertz, level=0.1):
    return np.tile(level * np.sin(2 * np.pi * hertz * TIME), (2, 1)).astype(np.float32)


def gain_at(hertz, low_db, high_db):
    given = tone(hertz)
    out = shelved(given, RATE, (200.0, 4000.0), np.array([low_db, high_db]))
    return level_db(out[:, RATE:]) - level_db(given[:, RATE:])


def test_shelves_raise_what_is_beyond_their_corners_and_nothing_between():
    assert gain_at(30, 3.0, 0.0) == pytest.approx(3.0, abs=0.3)
    assert gain_at(18_000, 0.0, -3.0) == pytest.approx(-2.5, abs=0.6)  # slopes of first order
    assert gain_at(900, 3.0, -3.0) == pytest.approx(0.0, abs=0.3)
    given = tone(440)
    np.testing.assert_allclose(shelved(given, RATE, (200.0, 4000.0), np.zeros(2)), given, atol=1e-6)


def test_harmony_that_is_covered_comes_up_and_other_parts_stay():
    levels = {"drums": -20.0, "bass": -20.0, "harmony": -30.0, "extra": -50.0}
    assert lift_db("harmony", levels) == pytest.approx(6.0)
    assert [lift_db(name, levels) for name in ("drums", "bass", "extra")] == [0.0] * 3
    assert lift_db("harmony", levels | {"harmony": -22.0}) == 0.0
    assert lift_db("harmony", levels | {"harmony": -60.0}) == 12.0
    assert lift_db("harmony", {"harmony": -30.0}) == 0.0
    assert lift_db("harmony", levels | {"harmony": -120.0}) == 0.0


def test_the_compressor_takes_down_loud_passages_smoothly():
    loud = np.where(TIME < 3, 0.02, 0.5).astype(np.float32) * tone(300, 1.0)
    for seed in range(5):
        curve = compression(loud, RATE, np.random.default_rng(seed))
        assert curve.shape == TIME.shape
        assert curve[: 2 * RATE] == pytest.approx(1.0, abs=1e-3)
        assert curve.max() <= 1.0
        assert np.abs(np.diff(curve)).max() < 1e-3
    assert (
        min(compression(loud, RATE, np.random.default_rng(seed))[-RATE // 2] for seed in range(5))
        < 0.97
    )


def test_masters_differ_and_treat_parts_as_their_sum():
    parts = {"drums": tone(100, 0.3), "harmony": tone(700, 0.2)}
    levels = set()
    for seed in range(12):
        done = master(parts, RATE, np.random.default_rng(seed))
        whole = master({"drums": sum(parts.values())}, RATE, np.random.default_rng(seed))
        np.testing.assert_allclose(sum(done.values()), whole["drums"], atol=2e-4)
        levels.add(round(level_db(sum(done.values())), 2))
    assert len(levels) > 6
