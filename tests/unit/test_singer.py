import time

import numpy as np
import pytest

from banso.data.singer import octave_shift, random_voice, sing
from banso.data.song import Note

pytestmark = pytest.mark.lab

RATE = 44_100


def _fundamental(piece):
    """Pitch by autocorrelation, in Hz, with the peak's place refined by a parabola."""
    size = 2 * len(piece)
    spectrum = np.abs(np.fft.rfft(piece - piece.mean(), size)) ** 2
    correlation = np.fft.irfft(spectrum)[: len(piece)] / np.arange(len(piece), 0, -1)
    low, high = RATE // 900, RATE // 70
    peaks = correlation[low:high]
    # The first peak nearly as high as the highest is the period, not a multiple of it.
    inner = (peaks[1:-1] > peaks[:-2]) & (peaks[1:-1] >= peaks[2:])
    lag = low + 1 + int(np.flatnonzero(inner & (peaks[1:-1] > 0.85 * peaks.max()))[0])
    before, here, after = correlation[lag - 1 : lag + 2]
    return RATE / (lag + 0.5 * (before - after) / (before - 2 * here + after))


@pytest.mark.parametrize("seed", range(8))
def test_sings_the_notes(seed: int):
    rng = np.random.default_rng(seed)
    voice = random_voice(rng)
    notes = [Note(0.3 + 0.8 * i, 1.0 + 0.8 * i, p, 90) for i, p in enumerate((60, 64, 67, 65))]
    vocals = sing(notes, 4 * RATE, sample_rate=RATE, rng=rng, voice=voice)
    shift = octave_shift(notes, voice.centre)
    cents = []
    for note in notes:
        piece = vocals[round((note.start_seconds + 0.3) * RATE) :][: round(0.25 * RATE)]
        cents.append(1200 * np.log2(_fundamental(piece) / 440) - 100 * (note.pitch + shift - 69))
    assert np.max(np.abs(cents)) < 75
    assert np.abs(np.median(cents)) < 50


def test_onsets_and_pauses():
    rng = np.random.default_rng(5)
    notes = [Note(1.0, 2.0, 62, 90), Note(3.5, 4.5, 65, 90)]
    vocals = sing(notes, 6 * RATE, sample_rate=RATE, rng=rng)

    def level(start, end):
        return np.sqrt(np.mean(np.square(vocals[int(start * RATE) : int(end * RATE)])))

    assert level(1.2, 1.8) > 20 * level(0, 0.4)
    assert level(3.7, 4.3) > 20 * level(5.0, 6.0)


def test_level_peak_dc_and_silence():
    notes = [Note(0.1 + i * 0.5, 0.55 + i * 0.5, 60 + i % 5, 90) for i in range(12)]
    vocals = sing(notes, 6 * RATE, sample_rate=RATE, rng=np.random.default_rng(2))
    assert vocals.dtype == np.float32
    assert vocals.shape == (6 * RATE,)
    assert np.max(np.abs(vocals)) <= 0.98
    assert abs(vocals.mean()) < 1e-3
    assert not sing([], 100, sample_rate=RATE, rng=np.random.default_rng(0)).any()


def test_same_seed_same_singing():
    notes = [Note(0.1, 0.9, 60, 90)]
    first, again, other = (
        sing(notes, RATE, sample_rate=RATE, rng=np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_octave_is_chosen_by_range():
    notes = [Note(0, 1, 67, 90)]
    assert octave_shift(notes, 69) == 0
    assert octave_shift(notes, 53) == -12


def test_is_fast():
    notes = [Note(i * 0.4, i * 0.4 + 0.38, 55 + i % 12, 90) for i in range(50)]
    before = time.process_time()
    sing(notes, 20 * RATE, sample_rate=RATE, rng=np.random.default_rng(0))
    assert time.process_time() - before < 20 / 40
