import shutil

import numpy as np
import pytest

from banso.audio import Audio
from banso.data import augment
from banso.data.lossy import CODECS, through_codec
from banso.data.rooms import load_rooms
from banso.errors import DataError
from banso.files import write_audio

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


def test_noise_is_0_to_40_db_below():
    levels = []
    for seed in range(24):
        wave = augment.noise(RATE, 0.01, RATE, np.random.default_rng(seed))
        levels.append(10 * np.log10(np.mean(np.square(wave)) / 0.01))
    assert -40.1 < min(levels) < -30
    assert -10 < max(levels) < 0.1


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


def test_clipping_is_flat_at_the_limit():
    wave = augment.clipped(_tone(), np.random.default_rng(0))
    limit = np.max(np.abs(wave))
    assert 0.3 * 10 ** (-10 / 20) - 1e-6 <= limit <= 0.3 * 10 ** (-2 / 20) + 1e-6
    assert np.mean(np.abs(wave) > 0.999 * limit) > 0.2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_measured_rooms_are_heard_and_do_not_delay(tmp_path):
    response = np.zeros((2, RATE), np.float32)
    response[:, 300] = 0.9
    response[:, 2300] = 0.4
    (tmp_path / "hall").mkdir()
    write_audio(tmp_path / "hall" / "a.wav", Audio(response, RATE))
    write_audio(tmp_path / "quiet.wav", Audio(np.zeros((1, RATE), np.float32), RATE))
    (room,) = load_rooms(tmp_path)
    assert room[0] == pytest.approx(1.0)
    assert room[2000] == pytest.approx(0.4 / 0.9, abs=1e-3)
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    echoes = 0
    for seed in range(12):
        wet = augment.in_room(click, RATE, np.random.default_rng(seed), [room])
        assert np.argmax(np.abs(wet)) == 1000
        echoes += 0.02 < wet[3000] <= 0.23 and np.abs(wet[2990:2999]).max() < 1e-4
    assert 2 <= echoes <= 10


def test_no_rooms_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="no impulse responses"):
        load_rooms(tmp_path)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("codec", CODECS)
def test_codecs_lose_something_but_no_time(codec: str):
    rng = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    chirp = np.sin(2 * np.pi * (200 * time + 300 * time**2)) * (0.2 + 0.2 * np.sin(9 * time))
    voice = np.asarray(chirp, np.float32)
    result = through_codec(voice, RATE, rng, codec=codec)
    assert result.shape == voice.shape
    assert not np.array_equal(result, voice)
    lags = range(-2000, 2001, 4)
    inner = voice[RATE // 2 : RATE]
    match = [float(inner @ result[RATE // 2 + k : RATE + k]) for k in lags]
    assert abs(lags[int(np.argmax(match))]) <= 48
    assert np.corrcoef(inner, result[RATE // 2 : RATE])[0, 1] > 0.8


def test_gaps_are_silent():
    gapped = augment.with_gaps(_tone() + 1, RATE, np.random.default_rng(1))
    assert 0 < np.sum(gapped == 0) < RATE
