import numpy as np
import pytest

from banso.data import augment

pytestmark = pytest.mark.lab

RATE = 44_100


def _tone(hz=440.0, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def test_keeps_length_and_range_and_sometimes_does_nothing():
    voice, band = _tone(), np.stack([_tone(220), _tone(330)])
    untouched = 0
    for seed in range(40):
        result = augment.augment_vocals(voice, band, RATE, np.random.default_rng(seed))
        assert result.shape == voice.shape
        assert result.dtype == np.float32
        assert np.max(np.abs(result)) <= 0.981
        untouched += result is voice
    assert 3 < untouched < 20


def test_noise_is_10_to_40_db_below():
    for seed in range(12):
        wave = augment.noise(RATE, 0.01, RATE, np.random.default_rng(seed))
        assert -41 < 10 * np.log10(np.mean(np.square(wave)) / 0.01) < -9


def test_bleed_is_15_to_30_db_below():
    voice, band = _tone(), np.stack([_tone(220), _tone(220)])
    for seed in range(6):
        leak = augment.bleed(voice, band, np.random.default_rng(seed))
        ratio = 10 * np.log10(np.mean(np.square(leak)) / np.mean(np.square(voice)))
        assert -30.1 < ratio < -14.9


def test_room_does_not_delay():
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    wet = augment.in_room(click, RATE, np.random.default_rng(0))
    assert np.argmax(np.abs(wet)) == 1000
    assert np.abs(wet[:1000]).max() < 1e-5
    assert np.square(wet[1100:]).sum() > 0


def test_phone_removes_what_is_outside_its_band():
    rng = np.random.default_rng(0)
    inside = augment.through_phone(_tone(1000), RATE, rng)
    below = augment.through_phone(_tone(30), RATE, rng)
    above = augment.through_phone(_tone(15000), RATE, rng)
    assert np.std(inside) > 0.9 * np.std(_tone(1000))
    assert np.std(below) < 0.1 * np.std(_tone(30))
    assert np.std(above) < 0.1 * np.std(_tone(15000))


def test_gaps_are_silent():
    gapped = augment.with_gaps(_tone() + 1, RATE, np.random.default_rng(1))
    assert 0 < np.sum(gapped == 0) < RATE
