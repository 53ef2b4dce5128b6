import numpy as np
import pytest

from banso.features import extract
from banso.fit import Fit, hear_band, measure_fit
from banso.notes import sung_notes
from conftest import sing

RATE = 44_100
SCALE = (60, 62, 64, 65, 67, 65, 64, 62)  # what `sing` sings, two notes a second


def chord(midis, seconds=8.0, strikes=()):
    """A held chord, with clicks of noise at some times."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = sum(
        np.sin(2 * np.pi * k * 440 * 2 ** ((m - 69) / 12) * time) / k
        for m in midis
        for k in range(1, 5)
    )
    sound *= 0.05
    random = np.random.default_rng(0)
    for strike in strikes:
        start = round(strike * RATE)
        click = 0.5 * random.standard_normal(1_000) * np.exp(-np.arange(1_000) / 200)
        sound[start : start + 1_000] += click[: len(sound) - start]
    return np.tile(sound, (2, 1)).astype(np.float32)


def fit_of(band, voice=None):
    features = extract(sing(8.0)[0] if voice is None else voice, tuning_cents=0.0)
    blocks = np.array_split(band, 9, axis=1)
    heard = hear_band(blocks, band.shape[1], (RATE, 2_048), len(features), 0.0)
    return measure_fit(sung_notes(features, RATE / 2_048), heard, RATE / 2_048)


def test_a_fitting_chord_is_in_chord_and_consonant():
    right, wrong = fit_of(chord((48, 52, 55))), fit_of(chord((49, 54, 58)))
    # C, E and G are three of eight notes, sung three times in eight.
    assert right.in_chord == pytest.approx(4 / 8, abs=0.15)
    assert wrong.in_chord < 0.1
    assert right.consonance > wrong.consonance + 0.2
    assert right.score > wrong.score


def test_strikes_on_the_notes_are_in_time():
    on = np.arange(0, 8, 0.5)
    right, late = (fit_of(chord((48, 55), strikes=on + d)).sync for d in (0.02, 0.25))
    assert right > 0.85
    assert late < 0.6


def test_silence_fits_nothing():
    assert fit_of(np.zeros((2, 8 * RATE), np.float32)).in_chord == 0
    assert fit_of(np.zeros((2, 8 * RATE), np.float32)).consonance == 0


def test_no_song_has_no_fit():
    nothing = fit_of(chord((48, 52)), np.random.default_rng(0).standard_normal(RATE) * 1e-3)
    assert np.isnan([nothing.in_chord, nothing.consonance, nothing.sync]).all()
    assert nothing.score == 0
    assert Fit(0.5, 0.7, 0.6).score == pytest.approx(0.6)
