import numpy as np
import pytest

from banso.codec import parameters as p
from banso.codec.analysis import analyze

RATE = p.SAMPLE_RATE
MIDDLE = slice(6, -6)


def stereo(left, right=None):
    return np.stack([left, left if right is None else right]).astype(np.float32)


def sine(hz, amplitude=0.3, seconds=1.5):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("midi", [31, 45, 57, 69, 84, 100, 112])
@pytest.mark.parametrize("cents", [-35, 0, 20])
def test_a_sine_is_one_tone(midi, cents):
    hz = 440 * 2 ** ((midi + cents / 100 - 69) / 12)
    found = analyze(stereo(sine(hz)))
    tone = midi - p.LOWEST_MIDI
    level = p.expand(found.tone_level)[MIDDLE]
    assert np.all(level.argmax(axis=2) == tone)
    assert 20 * np.log10(np.median(level[..., tone]) / 0.3) == pytest.approx(0, abs=0.5)
    assert np.median(found.tone_cents[MIDDLE, tone]) == pytest.approx(cents, abs=4)


def test_white_noise_keeps_its_power():
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)
    found = analyze(stereo(noise))
    power = np.square(p.expand(found.noise_level)[MIDDLE]).mean(axis=(0, 1))
    edges = p.band_edges_hz(p.NUM_NOISE_BANDS, 2 * RATE / 1_024)
    wanted = 0.1**2 * np.diff(edges) / (RATE / 2)
    # Where there are no tones, each band has its own power. Below, chance peaks count as tones too,
    # and both together have the power, but for what gating takes away.
    above = edges[:-1] > p.tone_hz()[-1] * 1.03
    np.testing.assert_allclose(10 * np.log10(power / wanted)[above], 0, atol=0.5)
    tones = np.square(p.expand(found.tone_level)[MIDDLE]).sum(axis=2).mean() / 2
    total = 10 * np.log10((power.sum() + tones) / wanted.sum())
    assert total == pytest.approx(0, abs=1.5)


@pytest.mark.parametrize(
    ("left", "right", "pan"), [(1, 1, 0), (1, 0, 1), (0, 1, -1), (1, 0.5, 1 / 3)]
)
def test_pan_is_where_the_sound_is(left, right, pan):
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    found = analyze(stereo(left * noise, right * noise))
    np.testing.assert_allclose(found.pan[MIDDLE], pan, atol=0.05)
    assert p.expand(found.side_level)[MIDDLE].max() < 0.01


def test_unrelated_sides_have_no_pan_but_a_side_level():
    random = np.random.default_rng(0)
    found = analyze(stereo(*(0.1 * random.standard_normal((2, 3 * RATE)))))
    assert np.abs(found.pan[MIDDLE].mean(axis=0)).max() < 0.1
    side = np.square(p.expand(found.side_level)[MIDDLE]).mean(axis=0).sum()
    # Half the difference of two signals of 0.1 each, up to the highest band at 20 kHz.
    assert 10 * np.log10(side / (0.1**2 / 2 * 20_000 / (RATE / 2))) == pytest.approx(0, abs=1)


def test_silence_is_silent_and_lengths_are_covered():
    for num_samples in (1, 2_047, 2_048, 2_049, 10_000):
        found = analyze(np.zeros((2, num_samples), np.float32))
        packed = found.to_array()
        assert found.num_frames == -(-num_samples // p.HOP_LENGTH)
        assert np.isfinite(packed).all()
        assert p.expand(found.tone_level).max() < 1e-5
        assert p.expand(found.noise_level).max() < 1e-5


def test_frames_stand_where_the_sound_is():
    sound = np.zeros(40 * p.HOP_LENGTH)
    burst = 0.3 * np.random.default_rng(0).standard_normal(p.HOP_LENGTH)
    sound[20 * p.HOP_LENGTH : 21 * p.HOP_LENGTH] = burst
    level = np.square(p.expand(analyze(stereo(sound)).noise_level)).sum(axis=2).mean(axis=1)
    assert level.argmax() == 20
    assert level[:19].max() < 0.01 * level[20]
    assert level[22:].max() < 0.01 * level[20]


def test_packing_loses_nothing():
    found = analyze(stereo(sine(440), sine(660)))
    again = p.Parameters.from_array(found.to_array())
    for name in ("tone_level", "tone_cents", "noise_level", "pan", "side_level"):
        np.testing.assert_allclose(getattr(again, name), getattr(found, name), atol=1e-5)
