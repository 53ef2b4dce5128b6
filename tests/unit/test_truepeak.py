import tracemalloc

import numpy as np
import pytest

from banso import truepeak
from banso.audio import Audio, resample_blocks
from banso.delivery import Delivery, Labels
from banso.files import read_audio
from banso.mixing import Balance, mix
from banso.scratch import Scratch
from banso.survey import survey
from banso.take import record
from banso.truepeak import _BEND_GAIN, _oversampled, true_peak
from conftest import sing

LIMIT = 10 ** (-1 / 20)


def between_samples(seconds=1.0, sample_rate=44_100, amplitude=1.0):
    """A tone at a quarter of the rate whose samples all miss its peaks by 3 dB; soft ends."""
    time = np.arange(round(seconds * sample_rate))
    fade = np.minimum(1, np.minimum(time, time[::-1]) / (0.05 * sample_rate))
    tone = amplitude * fade * np.sin(np.pi / 2 * time + np.pi / 4)
    return np.stack((tone, tone)).astype(np.float32)


def measured(samples, block):
    pieces = (samples[:, i : i + block] for i in range(0, samples.shape[1], block))
    return true_peak(pieces)


def by_fourier(samples):
    """Another way to the same: eight times the samples, by padding the whole spectrum."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    return float(8 * np.abs(np.fft.irfft(spectrum, 8 * samples.shape[1])).max())


def everywhere(samples):
    """The same, with nothing left out: all of it at four times the rate."""
    fine = np.concatenate([*resample_blocks([samples], 1, 4, samples.shape[1])], axis=1)
    return float(max(np.abs(samples).max(), np.abs(fine).max()))


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("block", [777, 44_100, 10**6])
def test_the_peak_between_samples_is_3_db_above_them(sample_rate, block):
    tone = between_samples(sample_rate=sample_rate)
    assert np.abs(tone).max() == pytest.approx(10 ** (-3.01 / 20), abs=1e-4)
    assert measured(tone, block) == pytest.approx(1.0, abs=0.005)


def test_music_as_a_fourier_interpolation_finds_it():
    # Full scale up to a tenth below the highest frequency; beyond, resamplers may differ.
    random = np.random.default_rng(0)
    spectrum = np.fft.rfft(random.standard_normal((2, 44_100)))
    spectrum[:, 19_800:] = 0
    noise = np.fft.irfft(spectrum).astype(np.float32)
    # Four times the rate finds what eight times the rate finds, within the standard's 0.7 dB.
    found = 20 * np.log10(measured(noise, 10_000) / by_fourier(noise))
    assert -0.7 < found < 0.05


def music(random, size):
    """Notes that come and go, noise, clicks, and gaps, on two channels."""
    time = np.arange(size) / 44_100
    sound = np.zeros((2, size))
    for _ in range(6):
        start, hz = random.integers(size), 10 ** random.uniform(1.7, 4.33)
        envelope = (time >= time[start]) * np.exp(-(time - time[start]) * random.uniform(3, 60))
        sound += random.uniform(0, 1, (2, 1)) * envelope * np.sin(2 * np.pi * hz * time)
    sound += random.choice([0, 0.02, 0.5]) * random.standard_normal((2, size))
    sound[:, random.integers(0, size, 3)] += random.uniform(-2, 2, 3)
    sound[:, -random.integers(1, 300) :] *= random.choice([0, 1, 3])
    return sound.astype(np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_left_out_is_higher(seed):
    random = np.random.default_rng(seed)
    sound = music(random, int(random.integers(1, 60_000)))
    block = int(random.integers(1, 30_000))
    assert measured(sound, block) == pytest.approx(everywhere(sound), rel=1e-6)


def test_a_peak_between_samples_at_the_very_ends():
    sound = np.zeros((2, 1_000), np.float32)
    sound[0, :4] = 0.9, 0.9, -0.5, 0.3
    sound[1, -4:] = -0.3, 0.7, -0.95, -0.95
    assert everywhere(sound) > 1.0
    assert measured(sound, 300) == pytest.approx(everywhere(sound), rel=1e-6)


@pytest.mark.parametrize("phase", range(4))
def test_what_bends_can_add_is_what_the_resampler_s_filter_makes_of_them(phase):
    click = np.zeros((1, 1_025), np.float32)
    click[0, 512] = 1
    fine = np.concatenate([*resample_blocks([click], 1, 4, 1_025)], axis=1)[0].astype(np.float64)
    # Values at phase / 4 after each sample: a filter. Less the straight line between samples, it
    # must be a filter of second differences, which is found by summing up twice.
    filtered = fine[phase::4][:1_025]
    assert np.abs(filtered[: 512 - 97]).max() < 1e-7
    assert np.abs(filtered[512 + 98 :]).max() < 1e-7
    filtered[[511, 512]] -= phase / 4, 1 - phase / 4
    bends = np.cumsum(np.cumsum(filtered))[512 - 97 : 512 + 98]
    assert np.abs(bends).sum() < _BEND_GAIN


def test_what_is_clearly_softer_is_not_resampled_at_all(monkeypatch):
    resampled = []

    def counted(stretch):
        resampled.append(stretch.shape[1])
        return _oversampled(stretch)

    monkeypatch.setattr(truepeak, "_oversampled", counted)
    # Notes that decay as a piano's do: only their beginnings matter.
    seconds = np.arange(20 * 44_100) / 44_100 % 0.5
    voice = sing(20.0) * np.exp(-6 * seconds).astype(np.float32)
    measured(voice, 44_100)
    assert 0 < sum(resampled) < 0.2 * voice.shape[1]


def test_never_below_the_largest_sample():
    clicks = np.zeros((2, 5_000), np.float32)
    clicks[0, [0, 2_000, -1]] = -0.9, 0.8, 0.9
    assert measured(clicks, 512) >= np.float32(0.9)
    assert true_peak([]) == 0.0
    assert true_peak([np.zeros((2, 0), np.float32)]) == 0.0


def test_memory_does_not_grow_with_length():
    def peak_bytes(num_blocks):
        block = between_samples(0.2)
        tracemalloc.start()
        true_peak(block for _ in range(num_blocks))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak_bytes(100) < 1.1 * peak_bytes(10)


def test_a_mix_does_not_clip_between_samples():
    band, voice = between_samples(amplitude=0.8), between_samples(amplitude=0.6)
    mixed = mix(Audio(voice, 44_100), Audio(band, 44_100))
    # 1.4 x 0.707 = 0.99 at the samples, 1.4 between them.
    assert by_fourier(mixed.samples) == pytest.approx(LIMIT, rel=0.01)


@pytest.mark.parametrize("file_format", ["wav", "flac", "mp3"])
def test_written_files_do_not_clip_between_samples(tmp_path, file_format):
    tone = between_samples(2.0, amplitude=0.95)
    voice = Audio(sing(2.0, peak=0.5), 44_100)
    with Scratch() as raw:
        level = record([tone[:, :50_000], tone[:, 50_000:]], raw)
        assert level.peak == pytest.approx(0.95, rel=0.005)
        gains = Balance(alone=LIMIT / level.peak, in_mix=1.2, vocals=1.0)
        delivery = Delivery(voice, survey(voice), raw, tone.shape[1], gains)
        labels = Labels(file_format, "none")
        delivery.write_accompaniment(tmp_path / "alone", labels)
        delivery.write_mix(tmp_path / "mix", labels)
    # The lossy format adds a little of its own, for which the last decibel is there.
    limit = 1.0 if file_format == "mp3" else 1.01 * LIMIT
    for name in ("alone", "mix"):
        assert 0.95 * LIMIT < by_fourier(read_audio(tmp_path / name).samples) < limit
