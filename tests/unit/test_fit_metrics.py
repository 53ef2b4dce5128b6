"""What fits a voice, how bars and tempo are heard, and what is sung; on synthesised music."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.fit import Fit, measure_fit, rank
from banso.eval.frechet import (
    added,
    frechet_distance,
    frechet_interval,
    frechet_to_others,
    moments_of,
)
from banso.eval.hearing import hear
from banso.eval.pulse import downbeat_accent, downbeat_f1, tempo_of, tempo_stability
from banso.eval.scoring import Reference
from banso.eval.sung import hear_singing
from banso.leadsheet import ChordSpan, LeadSheet, SungNote

pytestmark = pytest.mark.lab

RATE = 22050
SECONDS = 16
TIME = np.arange(SECONDS * RATE) / RATE
CHORDS = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62)) * 2
MELODY = (72, 69, 65, 67) * 2


def tone(midi, start, seconds):
    hertz = 440 * 2 ** ((midi - 69) / 12)
    wave = 0.1 * sum(0.6**h * np.sin(2 * np.pi * h * hertz * TIME) for h in range(1, 6))
    since = TIME - start
    return wave * ((since >= 0) & (since < seconds)) * np.minimum(1, np.abs(since) * 50)


def hits(times, hertz, length=0.08):
    out = np.zeros(len(TIME))
    for start in times:
        since = TIME - start
        here = (since >= 0) & (since < length)
        out[here] += 0.5 * np.sin(2 * np.pi * hertz * since[here]) * np.exp(-since[here] * 40)
    return out


def band(shift=0, beat_seconds=0.5):
    chords = sum(tone(m + shift, 2.0 * k, 2.0) for k, c in enumerate(CHORDS) for m in c)
    beats = np.arange(0, SECONDS, beat_seconds)
    return chords + hits(beats, 1500) + 2 * hits(beats[::4], 60)


VOICE = sum(tone(m, 2.0 * k + 0.5, 1.2) for k, m in enumerate(MELODY))


@pytest.fixture(scope="module")
def sung():
    return hear_singing(VOICE[None].astype(np.float32), RATE)


@pytest.fixture(scope="module")
def fitting():
    return hear(band().astype(np.float32), RATE)


@pytest.fixture(scope="module")
def foreign():
    return hear(band(shift=6, beat_seconds=0.37).astype(np.float32), RATE)


def test_sung_notes_are_found_where_they_are(sung):
    assert [round(note.midi) for note in sung.notes] == list(MELODY)
    starts = np.array([note.start_seconds for note in sung.notes])
    assert starts == pytest.approx(np.arange(8) * 2.0 + 0.5, abs=0.1)
    assert set(np.flatnonzero(sung.pitch_class_weights > 20)) == {0, 5, 7, 9}


def test_silence_holds_no_notes():
    silent = hear_singing(np.zeros((1, RATE), np.float32), RATE)
    assert silent.notes == ()
    assert len(silent.onset_seconds) == 0


def test_a_band_in_the_voices_harmony_fits_and_a_foreign_one_does_not(sung, fitting, foreign):
    good, bad = measure_fit(sung, fitting), measure_fit(sung, foreign)
    assert good.in_chord > 0.9
    assert bad.in_chord < 0.3
    assert good.consonance > bad.consonance + 0.2
    nothing = measure_fit(sung, hear(np.zeros(SECONDS * RATE, np.float32), RATE))
    assert nothing.in_chord == 0


def test_rank_counts_better_bands_and_halves_ties():
    own, better, worse = Fit(0.5, 0.5, 0.5), Fit(0.9, 0.9, 0.9), Fit(0.1, 0.1, 0.1)
    assert rank(own, [worse, worse]) == 1
    assert rank(own, [better, worse]) == 2
    assert rank(own, [own, worse]) == 1.5
    unknown = Fit(*[float("nan")] * 3)
    assert rank(own, [unknown, better]) == 2
    assert np.isnan(rank(unknown, [own]))


def test_bars_begin_where_harmony_changes(fitting, foreign):
    downbeats = np.arange(0, SECONDS, 2.0)
    assert downbeat_f1(downbeats, 4, 120.0, fitting) > 0.85
    assert downbeat_f1(downbeats, 4, 120.0, foreign) < 0.5
    assert np.isnan(downbeat_f1(downbeats[:1], 4, 120.0, fitting))


def test_downbeats_are_accented_and_other_beats_are_not(fitting):
    beats = np.arange(0, SECONDS, 0.5)
    assert downbeat_accent(beats, beats[::4], fitting) == 1
    # The other three of each bar differ by rounding only, and it may order them in any way; but of
    # two of them one is above the other, so their mean is (0 + 1/2 + 1/2) / 3 if all downbeats are
    # above them.
    others = [downbeat_accent(beats, beats[k::4], fitting) for k in (1, 2, 3)]
    assert np.mean(others) == pytest.approx(1 / 3, abs=0.03)
    assert np.isnan(downbeat_accent(beats, beats, fitting))


def test_bars_of_a_band_that_is_a_beat_late_are_not_the_scores():
    late = hear(np.roll(band(), RATE // 2).astype(np.float32), RATE)
    beats = np.arange(0, SECONDS, 0.5)
    assert downbeat_accent(beats, beats[1::4], late) == 1
    assert downbeat_accent(beats, beats[::4], late) < 0.5


def test_a_band_that_speeds_up_is_less_stable(fitting):
    steps = 0.5 * 0.985 ** np.arange(60)
    faster = hear(hits(np.cumsum(steps)[np.cumsum(steps) < SECONDS], 900).astype(np.float32), RATE)
    steady = hear(hits(np.arange(0, SECONDS, 0.5), 900).astype(np.float32), RATE)
    assert tempo_stability(steady) == 1
    assert tempo_stability(fitting) == 1
    assert tempo_stability(faster) < 0.7
    assert np.isnan(tempo_stability(hear(np.zeros(RATE * 9, np.float32), RATE)))


def test_tempo_is_the_median_of_the_steps():
    assert tempo_of(np.array([0, 0.5, 1.0, 1.5, 3.0])) == 120
    assert tempo_of(np.zeros(0)) == 120


def test_key_comes_from_chords_else_from_notes_else_from_the_voice(sung):
    chords = (ChordSpan(0, 4, "A:min"), ChordSpan(4, 8, "E:7"))
    notes = (SungNote(0, 3, 61), SungNote(3, 4, 68))
    both = Reference(sheet=LeadSheet(chords=chords, notes=notes), band=None, voice=sung)
    assert np.flatnonzero(both.key_weights).tolist() == [0, 2, 4, 8, 9, 11]
    written = replace(both, sheet=LeadSheet(notes=notes))
    assert written.key_weights[[1, 8]] == pytest.approx([3, 1])
    assert replace(both, sheet=LeadSheet()).key_weights == pytest.approx(sung.pitch_class_weights)


def test_distance_to_other_songs_forgives_what_is_the_songs_own():
    rng = np.random.default_rng(5)
    own = rng.normal(0, 1, (48, 1, 4))
    every = [(mean + rng.normal(0, 1, (300, 4))).astype(np.float32) for mean in own]
    songs, others = every[:24], every[24:]
    true = [moments_of(song) for song in songs]
    copies = [moments_of(song + 0.05) for song in songs]
    # As good as true bands, but each with ways of its own.
    fresh = [moments_of(song) for song in others]
    dull = [moments_of(0.3 * song) for song in songs]
    reference, copied, ours, poor = (
        frechet_to_others(true, row, seed=1).estimate for row in (true, copies, fresh, dull)
    )
    assert copied == pytest.approx(reference, rel=0.1)
    assert ours < 1.6 * reference
    assert poor > 2 * reference
    assert np.isnan(frechet_to_others(true[:3], copies[:3]).estimate)


def test_frechet_distance_of_gaussians_is_the_textbooks():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, (200_000, 3))
    b = rng.normal((1, 0, 2), (2, 1, 1), (200_000, 3))
    # |difference of means|² + Σ (difference of deviations)² for independent channels.
    assert frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(1 + 4 + 1, rel=0.02)
    assert frechet_distance(moments_of(a), moments_of(a)) == pytest.approx(0, abs=1e-9)


def test_sets_are_put_together_from_recordings():
    rows = np.random.default_rng(1).normal(size=(300, 4))
    parts = [moments_of(part) for part in np.array_split(rows, 3)]
    whole, joined = moments_of(rows), added(parts)
    assert joined.count == whole.count
    assert joined.squares == pytest.approx(whole.squares)
    interval = frechet_interval(parts, parts, seed=3)
    assert interval.estimate == pytest.approx(0, abs=1e-9)
    assert 0 <= interval.low <= interval.high
    assert frechet_interval(parts, parts, seed=3) == interval
