"""Metrics on synthesised music whose chords, beats and spectra are known."""

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval import fidelity, metrics
from banso.eval.beat_tracking import track_beats
from banso.eval.hearing import Heard, hear
from banso.leadsheet import ChordSpan

pytestmark = pytest.mark.lab

RATE = 44100
SECONDS = 16
TIME = np.arange(SECONDS * RATE) / RATE
PROGRESSION = {
    "C:maj": (60, 64, 67),
    "A:min": (57, 60, 64),
    "F:maj": (53, 57, 60),
    "G:7": (55, 59, 62, 65),
}
CHORDS = [ChordSpan(2.0 * i, 2.0 * i + 2, list(PROGRESSION)[i % 4]) for i in range(SECONDS // 2)]
BEATS = np.arange(0.25, SECONDS, 0.5)


def tone(midi, start, end):
    inside = (start <= TIME) & (end > TIME)
    hertz = 440 * 2 ** ((midi - 69) / 12)
    partials = sum(0.5**h * np.sin(2 * np.pi * hertz * h * TIME[inside]) for h in range(1, 6))
    out = np.zeros(len(TIME))
    out[inside] = 0.1 * partials
    return out


def chord_music(shift=0):
    tones = [
        tone(midi + shift, span.start_seconds, span.end_seconds)
        for span in CHORDS
        for midi in PROGRESSION[span.label]
    ]
    return np.tile(sum(tones), (2, 1)).astype(np.float32)


def clicks(times, seed=0):
    out = np.zeros(len(TIME), dtype=np.float32)
    burst = np.random.default_rng(seed).standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    for time in times:
        start = round(time * RATE)
        out[start : start + 2000] += 0.3 * burst[: len(out) - start]
    return np.tile(out, (2, 1))


@pytest.fixture(scope="module")
def band():
    return chord_music() + clicks(BEATS)


@pytest.fixture(scope="module")
def heard_band(band):
    return hear(band, RATE)


def test_true_chords_are_heard(band):
    assert metrics.chord_accuracy(band, RATE, CHORDS) == pytest.approx(1.0)
    assert metrics.chroma_agreement(band, RATE, CHORDS) > 0.9


def test_a_transposed_band_has_no_chord_right():
    moved = hear(chord_music(shift=1), RATE)
    scores = metrics.chord_scores(moved, CHORDS)
    assert scores.accuracy == 0
    assert scores.agreement < 0.4


def test_half_of_the_time_right_scores_a_half(heard_band):
    wrong = {"C:maj": "Eb:min", "A:min": "A:min", "F:maj": "F#:maj", "G:7": "G:7"}
    spans = [ChordSpan(s.start_seconds, s.end_seconds, wrong[s.label]) for s in CHORDS]
    assert metrics.chord_scores(heard_band, spans).accuracy == pytest.approx(0.5, abs=0.02)


def test_chords_are_weighted_by_duration(heard_band):
    spans = [ChordSpan(0.0, 1.5, "C:maj"), ChordSpan(2.0, 2.5, "C:min")]
    assert metrics.chord_scores(heard_band, spans).accuracy == pytest.approx(0.75)


def test_chords_without_a_third_are_left_out(heard_band):
    spans = [ChordSpan(0.0, 2.0, "C:maj"), ChordSpan(2.0, 4.0, "N"), ChordSpan(4.0, 6.0, "B:sus4")]
    assert metrics.chord_scores(heard_band, spans).accuracy == 1.0
    assert np.isnan(metrics.chord_scores(heard_band, [ChordSpan(0.0, 2.0, "X")]).agreement)


def test_silence_has_no_chord_right_and_no_beat():
    heard = hear(np.zeros((2, 4 * RATE), np.float32), RATE)
    assert metrics.chord_scores(heard, CHORDS).accuracy == 0
    assert metrics.heard_beat_f1(BEATS, heard) == 0
    assert metrics.key_agreement(heard, np.ones(12)) == 0
    assert np.isnan(metrics.key_agreement(heard, np.zeros(12)))


def test_drums_do_not_hide_the_chords():
    loud = chord_music() + 3 * clicks(np.arange(0, SECONDS, 0.25))
    assert metrics.chord_accuracy(loud, RATE, CHORDS) == pytest.approx(1.0)


def test_beats_are_found_and_shifted_beats_are_not(band, heard_band):
    assert metrics.beat_f1(band, RATE, BEATS) > 0.95
    assert metrics.heard_beat_f1(BEATS + 0.25, heard_band) < 0.1


def test_half_tempo_reference_chooses_the_beat_level(heard_band):
    assert metrics.heard_beat_f1(BEATS[::2], heard_band) > 0.6


def test_beats_agree_with_a_quieter_copy_and_not_with_another_tempo(band):
    assert metrics.beat_agreement(band, 0.1 * band, RATE) > 0.98
    assert metrics.beat_agreement(band, clicks(np.arange(0.1, SECONDS, 0.61)), RATE) < 0.5


def test_chroma_cosine_is_one_for_a_copy_and_low_for_a_tritone(band):
    assert metrics.chroma_cosine(band, 0.2 * band, RATE) == pytest.approx(1.0, abs=1e-3)
    assert metrics.chroma_cosine(band, chord_music(shift=6), RATE) < 0.5
    assert np.isnan(metrics.chroma_cosine(np.zeros_like(band), band, RATE))


def test_log_mel_distance_of_a_gain_is_the_gain():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * RATE)).astype(np.float32)
    half = fidelity.log_mel_distance(noise, 0.5 * noise, RATE)
    assert half.mid_db == pytest.approx(6.02, abs=0.05)
    assert half.side_db == pytest.approx(6.02, abs=0.05)


def test_log_mel_distance_tells_mid_from_side():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * RATE)).astype(np.float32)
    mono = np.tile(noise.mean(axis=0), (2, 1))
    distance = fidelity.log_mel_distance(noise, mono, RATE)
    assert distance.mid_db == pytest.approx(0, abs=1e-3)
    assert distance.side_db > 30


def test_si_sdr_is_the_signal_to_noise_ratio_and_ignores_gain():
    rng = np.random.default_rng(0)
    clean, noise = rng.standard_normal((2, 2, RATE)).astype(np.float32)
    assert fidelity.si_sdr(clean, 3 * (clean + 0.1 * noise)) == pytest.approx(20, abs=0.2)
    assert fidelity.si_sdr(clean, clean) == 100
    assert np.isnan(fidelity.si_sdr(np.zeros_like(clean), clean))


@pytest.mark.parametrize(
    ("tonic", "mode"), [("C", "maj"), ("Eb", "maj"), ("A", "min"), ("F#", "min")]
)
def test_key_of_a_scale(tonic, mode):
    steps = {"maj": (0, 2, 4, 5, 7, 9, 11), "min": (0, 2, 3, 5, 7, 8, 10)}[mode]
    root = metrics.PITCH_CLASS_NAMES.index(tonic)
    notes = [
        (i, i + (3.0 if step in (0, 7) else 1.0), 60 + root + step) for i, step in enumerate(steps)
    ]
    assert metrics.estimate_key(metrics.note_weights(notes)) == f"{tonic}:{mode}"


def test_key_scores_follow_mirex():
    scores = [
        metrics.key_score("C:maj", key) for key in ("C:maj", "G:maj", "A:min", "C:min", "D:maj")
    ]
    assert scores == [1.0, 0.5, 0.3, 0.2, 0.0]


def test_band_and_voice_in_one_key_agree(heard_band):
    scale = [
        (i, i + 1.0 + (pitch in (60, 67)), pitch)
        for i, pitch in enumerate((60, 62, 64, 65, 67, 69, 71))
    ]
    assert metrics.key_agreement(heard_band, metrics.note_weights(scale)) == 1.0
    far = metrics.note_weights([(a, b, pitch + 6) for a, b, pitch in scale])
    assert metrics.key_agreement(heard_band, far) == 0.0


def test_sung_weights_ignore_overtones():
    weights = metrics.sung_weights(hear(tone(60, 0, 12) + tone(67, 12, 16), RATE))
    assert weights.argmax() == 0
    assert weights[7] == pytest.approx(weights[0] / 3, rel=0.05)
    assert weights[[0, 7]].sum() > 0.97 * weights.sum()


def test_onset_sync_is_high_on_the_beat_and_chance_elsewhere(heard_band):
    assert metrics.onset_sync(heard_band, BEATS) > 0.88
    anywhere = np.random.default_rng(0).uniform(0, SECONDS, 400)
    assert metrics.onset_sync(heard_band, anywhere) == pytest.approx(0.5, abs=0.06)


def test_voice_onsets_are_found():
    found = metrics.vocal_onsets(hear(clicks(BEATS), RATE))
    assert np.abs(found[:, None] - BEATS).min(axis=1).max() < 0.05
    assert len(found) >= len(BEATS) - 2


def drums(seconds=60.0, seed=0):
    """Hiss under strong hits every half second: where a seam falls decides how loud it is."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    hits = np.exp(-30 * (time % 0.5)) * random.standard_normal((2, len(time)))
    return (0.01 * random.standard_normal((2, len(time))) + 0.3 * hits).astype(np.float32)


def test_seams_like_the_rest_are_within_their_spread():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 8 * RATE)).astype(np.float32)
    assert fidelity.seam_energy_db(noise, RATE, [2.0, 4.0, 6.0]) == pytest.approx(0, abs=1)
    music = drums()
    places = np.random.default_rng(1).uniform(0.1, 59.9, (300, 4))
    found = [fidelity.seam_energy(music, RATE, seams) for seams in places]
    spread = np.mean([f.spread_db for f in found])
    assert spread > 3
    assert np.mean([f.db for f in found]) == pytest.approx(0, abs=3 * spread / np.sqrt(300))
    assert np.std([f.db for f in found]) == pytest.approx(spread, rel=0.15)


def test_few_seams_of_which_one_falls_on_a_hit_prove_nothing():
    found = fidelity.seam_energy(drums(), RATE, [10.31, 20.0])
    assert abs(found.db) < 2 * found.spread_db


def test_clicks_at_the_seams_are_found_even_if_they_are_modest():
    seams = np.random.default_rng(2).uniform(0.1, 59.9, 20)
    music = drums()
    for measure in (fidelity.seam_energy, fidelity.seam_clicks):
        untouched = measure(music, RATE, seams)
        assert untouched.num_seams == 20
        assert abs(untouched.db) < 2 * untouched.spread_db
    for seam in seams:
        music[:, round(seam * RATE)] += 0.1
    # 10 dB below the hits: too little to stand out by its energy, but not as a click.
    clicks, energy = (
        fidelity.seam_clicks(music, RATE, seams),
        fidelity.seam_energy(music, RATE, seams),
    )
    assert clicks.db > 6 * clicks.spread_db
    assert abs(energy.db) < 2 * energy.spread_db
    for seam in seams:
        music[:, round(seam * RATE)] += 5
    assert fidelity.seam_energy(music, RATE, seams).db > 20


def test_silence_at_the_seams_is_no_click():
    music = drums()
    music[:, 10 * RATE : 20 * RATE] = 1e-9 * np.random.default_rng(0).standard_normal(10 * RATE)
    found = fidelity.seam_clicks(music, RATE, [12.0, 15.0, 18.0])
    assert found.db < 2 * found.spread_db


def test_a_gap_at_the_seam_is_quiet():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 4 * RATE)).astype(np.float32)
    noise[:, 2 * RATE - 2000 : 2 * RATE + 2000] = 0
    assert fidelity.seam_energy_db(noise, RATE, [2.0]) < -20


def test_without_seams_there_is_nothing_to_say():
    found = fidelity.seam_energy(drums(4.0), RATE, [99.0])
    assert np.isnan(found.db)
    assert found.num_seams == 0


def test_seams_of_several_recordings_weigh_the_same():
    nothing = fidelity.SeamExcess(float("nan"), float("nan"), 0)
    one, three = fidelity.SeamExcess(4.0, 8.0, 1), fidelity.SeamExcess(0.0, 5.0, 3)
    found = fidelity.pool_seams([one, nothing, three])
    assert found.db == pytest.approx(1.0)
    assert found.spread_db == pytest.approx(np.hypot(8.0, 15.0) / 4)
    assert found.num_seams == 4
    assert np.isnan(fidelity.pool_seams([nothing]).db)


def test_any_rate_and_channel_count_is_heard():
    heard = hear(chord_music()[0, ::2], RATE // 2)
    assert isinstance(heard, Heard)
    assert metrics.chord_scores(heard, CHORDS).accuracy == pytest.approx(1.0)
    assert track_beats(hear(np.zeros((1, 4 * RATE), np.float32), RATE)).size == 0
