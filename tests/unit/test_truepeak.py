import tracemalloc

import numpy as np
import pytest

from banso.audio import Audio
from banso.delivery import Delivery, Labels
from banso.files import read_audio
from banso.mixing import Balance, mix
from banso.scratch import Scratch
from banso.survey import survey
from banso.take import record
from banso.truepeak import true_peak
from conftest import sing

LIMIT = 10 ** (-1 / 20)


def between_samples(seconds=1.0, sample_rate=44_100, amplitude=1.0):
    """A tone at a quarter of the rate whose samples all miss its peaks by 3 dB; soft ends."""
    time = np.arange(round(seconds * sample_rate))
    fade = np.minimum(1, np.minimum(time, time[::-1]) / (0.05 * sample_rate))
    tone = amplitude * fade * np.sin(np.pi / 2 * time + np.pi / 4)
    return np.stack((tone, tone)).astype(np.float32)


def measured(samples, block, sample_rate=44_100):
    pieces = (samples[:, i : i + block] for i in range(0, samples.shape[1], block))
    return true_peak(pieces, sample_rate, samples.shape[1])


def by_fourier(samples):
    """Another way to the same: eight times the samples, by padding the whole spectrum."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    return float(8 * np.abs(np.fft.irfft(spectrum, 8 * samples.shape[1])).max())


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("block", [777, 44_100, 10**6])
def test_the_peak_between_samples_is_3_db_above_them(sample_rate, block):
    tone = between_samples(sample_rate=sample_rate)
    assert np.abs(tone).max() == pytest.approx(10 ** (-3.01 / 20), abs=1e-4)
    assert measured(tone, block, sample_rate) == pytest.approx(1.0, abs=0.005)


def test_music_as_a_fourier_interpolation_finds_it():
    # Full scale up to a tenth below the highest frequency; beyond, resamplers may differ.
    random = np.random.default_rng(0)
    spectrum = np.fft.rfft(random.standard_normal((2, 44_100)))
    spectrum[:, 19_800:] = 0
    noise = np.fft.irfft(spectrum).astype(np.float32)
    # Four times the rate finds what eight times the rate finds, within the standard's 0.7 dB.
    found = 20 * np.log10(measured(noise, 10_000) / by_fourier(noise))
    assert -0.7 < found < 0.05


def test_never_below_the_largest_sample():
    clicks = np.zeros((2, 5_000), np.float32)
    clicks[0, [0, 2_000, -1]] = -0.9, 0.8, 0.9
    assert measured(clicks, 512) >= np.float32(0.9)
    assert true_peak([], 44_100, 0) == 0.0


def test_memory_does_not_grow_with_length():
    def peak_bytes(num_blocks):
        block = between_samples(0.2)
        tracemalloc.start()
        true_peak((block for _ in range(num_blocks)), 44_100, num_blocks * block.shape[1])
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
        level = record([tone[:, :50_000], tone[:, 50_000:]], tone.shape[1], raw)
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
