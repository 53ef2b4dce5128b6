import numpy as np
import pytest

from banso.audio import Audio, collect, exactly, resampled_length
from banso.errors import AudioError


def test_samples_cannot_be_changed_from_inside_or_outside():
    source = np.zeros((1, 10), np.float32)
    audio = Audio(source, 44_100)
    source[0, 0] = 1
    assert audio.samples[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0, 0] = 1
    with pytest.raises(AttributeError):
        audio.sample_rate = 8_000


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(10), 44_100, "axes"),
        (np.zeros((2, 0)), 44_100, "no samples"),
        (np.full((1, 10), np.nan), 44_100, "NaN"),
        (np.full((1, 10), -np.inf), 44_100, "infinity"),
        (np.zeros((1, 10)), 100, "100 Hz"),
        (np.zeros((1, 10)), 10_000_000, "10000000 Hz"),
    ],
)
def test_bad_samples_are_refused(samples, rate, words):
    with pytest.raises(AudioError, match=words):
        Audio(samples, rate)


def test_huge_but_finite_samples_are_finite():
    assert Audio(np.full((1, 10), 1e30), 44_100).num_samples == 10


def test_resampling_keeps_a_tone_and_its_place():
    time = np.arange(48_000) / 48_000
    audio = Audio(np.stack([np.sin(2 * np.pi * 440 * time), 0 * time]), 48_000)
    out = audio.resampled(44_100)
    wanted = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    assert out.num_samples == 44_100
    # The filter rings for some milliseconds where the tone is cut off.
    assert np.abs(out.samples[0] - wanted)[500:-500].max() < 1e-3
    assert np.abs(out.samples[1]).max() == 0


def test_channels():
    left, right = np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32)
    stereo = Audio(np.concatenate((left, right)), 44_100)
    assert stereo.to_stereo() is stereo
    np.testing.assert_array_equal(stereo.to_mono().samples, 0.5 * left)
    np.testing.assert_array_equal(Audio(left, 44_100).to_stereo().samples, [[1] * 4] * 2)


def test_lengths_round_half_up():
    assert resampled_length(1, 2, 1) == 1
    assert resampled_length(44_100, 44_100, 48_000) == 48_000
    assert resampled_length(10, 48_000, 44_100) == 9


def test_exactly_cuts_and_pads():
    blocks = [np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)]
    assert collect(exactly(blocks, 4), 44_100).num_samples == 4
    np.testing.assert_array_equal(collect(exactly(blocks, 8), 44_100).samples[0], [1] * 6 + [0] * 2)
