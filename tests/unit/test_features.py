import numpy as np
import pytest

from banso import features as f
from conftest import sing

RATE = f.SAMPLE_RATE


def voice(midi, seconds=1.5, level=0.3):
    """A steady vowel-like tone: fifteen harmonics falling by 6 dB an octave."""
    time = np.arange(round(seconds * RATE)) / RATE
    hz = 440 * 2 ** ((midi - 69) / 12)
    tone = sum(np.sin(2 * np.pi * k * hz * time + k) / k for k in range(1, 16) if k * hz < 18_000)
    return (level * tone / np.abs(tone).max()).astype(np.float32)


@pytest.mark.parametrize("midi", [45, 52, 57, 60, 64, 69, 76, 81])
def test_the_sung_pitch_is_the_loudest(midi):
    rows = f.extract(voice(midi))[4:-4]
    assert np.all(rows[:, f.PITCH].argmax(axis=1) == midi - f.LOWEST_MIDI)
    assert np.all(rows[:, f.CHROMA].argmax(axis=1) == midi % 12)
    assert rows[:, f.VOICING].min() > 0.9


@pytest.mark.parametrize("gain", [0.1, 0.01, 3.0])
def test_level_does_not_matter(gain):
    sung = sing(3.0)[0]
    np.testing.assert_allclose(f.extract(gain * sung), f.extract(sung), atol=0.02)


def test_values_stay_in_range():
    random = np.random.default_rng(0)
    for sound in (sing(2.0)[0], random.standard_normal(50_000).astype(np.float32), voice(60)):
        rows = f.extract(sound)
        assert np.isfinite(rows).all()
        assert rows.min() >= 0
        assert rows.max() <= 1.5


def test_noise_and_silence_are_not_voiced():
    noise = 0.1 * np.random.default_rng(1).standard_normal(2 * RATE).astype(np.float32)
    assert np.median(f.extract(noise)[4:-4, f.VOICING]) < 0.1
    half = np.concatenate([voice(60), np.zeros(RATE, np.float32)])
    voicing = f.extract(half)[:, f.VOICING]
    assert voicing[5:25].min() > 0.9
    assert voicing[-15:].max() < 0.1


def test_frames_stand_where_the_sound_is():
    # Frame i covers samples [2048 i, 2048 (i + 1)): sound in frames 20 to 22 raises those alone.
    sound = np.zeros(40 * f.HOP_LENGTH, np.float32)
    sound[20 * f.HOP_LENGTH : 23 * f.HOP_LENGTH] = voice(69)[: 3 * f.HOP_LENGTH]
    level = f.extract(sound)[:, f.LEVEL]
    assert level[20:23].min() > 0.95
    assert np.delete(level, [20, 21, 22]).max() < 0.01


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_onsets_stand_at_their_quarter_of_a_frame(quarter):
    sound = np.zeros(40 * f.HOP_LENGTH, np.float32)
    start = 20 * f.HOP_LENGTH + quarter * f.HOP_LENGTH // 4 + 64
    sound[start:] = voice(69)[: len(sound) - start]
    onsets = f.extract(sound)[:, f.ONSETS][:, : f.ONSETS_PER_FRAME].reshape(-1)
    assert abs(int(onsets.argmax()) - (20 * 4 + quarter)) <= 1


@pytest.mark.parametrize("block", [1_000, 7_777, 44_100])
def test_blocks_give_the_same_as_the_whole(block):
    sung = sing(3.0)[0]
    stream = f.FeatureStream()
    for start in range(0, len(sung), block):
        stream.add(sung[start : start + block])
    num_frames = -(-len(sung) // f.HOP_LENGTH)
    np.testing.assert_allclose(stream.finish(num_frames), f.extract(sung), atol=1e-5)


def test_beyond_the_end_there_is_silence():
    sung = sing(1.0)[0]
    rows = f.extract(sung, 64)
    assert rows.shape == (64, f.NUM_FEATURES)
    assert rows[30:, f.VOICING].max() < 0.01
    assert rows[30:, f.LEVEL].max() < 0.01


def test_total_silence_has_no_pitch():
    rows = f.extract(np.zeros(RATE, np.float32))
    assert np.isfinite(rows).all()
    assert rows[:, f.PITCH].max() < 0.01


@pytest.mark.parametrize("cents", [-40, -25, 15, 30, 45])
def test_a_voice_off_concert_pitch_is_heard_in_its_own_tuning(cents):
    sung = np.concatenate([voice(midi + cents / 100) for midi in (57, 60, 64, 62)])
    stream = f.FeatureStream()
    stream.add(sung)
    assert abs(stream.tuning_cents() - cents) < 6
    in_tune = f.extract(np.concatenate([voice(midi) for midi in (57, 60, 64, 62)]))
    rows = f.extract(sung)
    same = rows[:, f.CHROMA].argmax(axis=1) == in_tune[:, f.CHROMA].argmax(axis=1)
    assert same[in_tune[:, f.VOICING] > 0.5].mean() > 0.95


def test_a_voice_near_concert_pitch_is_left_there():
    stream = f.FeatureStream()
    stream.add(np.concatenate([voice(midi + 0.05) for midi in (57, 60, 64)]))
    assert stream.tuning_cents() == 0


def test_glides_have_no_tuning():
    time = np.arange(8 * RATE) / RATE
    midi = 57 + 7 * time / 8
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((midi - 69) / 12)) / RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 12)).astype(np.float32) * 0.1
    stream = f.FeatureStream()
    stream.add(glide)
    assert stream.tuning_cents() == 0


def test_silence_is_quiet_even_if_little_is_sung():
    sound = np.zeros(120 * f.HOP_LENGTH, np.float32)
    sound[60 * f.HOP_LENGTH : 63 * f.HOP_LENGTH] = voice(69)[: 3 * f.HOP_LENGTH]
    level = f.extract(sound)[:, f.LEVEL]
    assert level[60:63].min() > 0.9
    assert np.delete(level, [60, 61, 62]).max() < 0.01
