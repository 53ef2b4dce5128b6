"""Every number that is taken from one band, given what it should fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from banso.chords import parse_chord
from banso.eval.beat_tracking import track_beats
from banso.eval.fit import Fit, measure_fit
from banso.eval.hearing import ANALYSIS_RATE, CHROMA_HOP, ONSET_HOP, Heard
from banso.eval.metrics import (
    chord_scores,
    heard_beat_f1,
    heard_chroma_cosine,
    key_agreement,
    note_weights,
)
from banso.eval.observation import Observation
from banso.eval.pulse import downbeat_accent, downbeat_f1, tempo_of, tempo_stability
from banso.eval.sung import Sung
from banso.leadsheet import ChordSpan, LeadSheet

# Grow with fit; each counts only where it tells true from shuffled.
METRICS = (
    "chord_accuracy",
    "chroma_agreement",
    "key_agreement",
    "sung_in_chord",
    "sung_consonance",
    "true_chroma_cosine",
    "beat_f1",
    "downbeat_f1",
    "downbeat_accent",
    "onset_sync",
    "retrieval",
)
# Belong to a recording by itself; another song's band has them just as well.
PROPERTIES = ("tempo_stability", "loudness_lufs", "seam_db", "silent_share")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reference:
    """What an accompaniment is measured against.

    Attributes:
        sheet: The score, as far as known.
        band: The true band, or None.
        voice: What is sung.
    """

    sheet: LeadSheet
    band: Heard | None
    voice: Sung

    @property
    def beats(self) -> NDArray[np.float64]:
        """Beats of the score; without, those tracked in the true band; empty without either."""
        if self.sheet.beats or self.band is None:
            return np.array(self.sheet.beats, dtype=np.float64)
        return track_beats(self.band)

    @property
    def key_weights(self) -> NDArray[np.float64]:
        """Weights [12] that tell the key: of the score's chords, else of the sung notes."""
        notes = [(note.start_seconds, note.end_seconds, note.midi) for note in self.sheet.notes]
        written = (_chord_weights(self.sheet.chords), note_weights(notes))
        return next(filter(np.any, written), self.voice.pitch_class_weights)


def measure(observation: Observation, reference: Reference) -> dict[str, float]:
    """Measure one band by every metric but `retrieval`, over the time both have.

    Args:
        observation: The band.
        reference: What it should fit.

    Returns:
        Score by metric and property; NaN where the reference does not allow one.
    """
    heard = observation.heard
    if reference.band is not None:
        heard = heard_until(heard, len(reference.band.chroma) * CHROMA_HOP / ANALYSIS_RATE)
    seconds = len(heard.chroma) * CHROMA_HOP / ANALYSIS_RATE
    fit = measure_fit(reference.voice, heard)
    return {
        **_harmony(heard, reference, seconds),
        **_pulse(heard, reference, seconds),
        "sung_in_chord": fit.in_chord,
        "sung_consonance": fit.consonance,
        "onset_sync": fit.sync,
        **properties(observation),
    }


def properties(observation: Observation) -> dict[str, float]:
    """Return what belongs to a band by itself."""
    loud = observation.lufs if np.isfinite(observation.lufs) else float("nan")
    return {
        "tempo_stability": tempo_stability(observation.heard),
        "loudness_lufs": loud,
        "seam_db": observation.seam_db,
        "silent_share": observation.silent_share,
    }


def fit_of(observation: Observation, voice: Sung) -> Fit:
    """Return how well a band fits a voice, for ranking it among others."""
    return measure_fit(voice, observation.heard)


def heard_until(heard: Heard, seconds: float) -> Heard:
    """Cut what was heard at a time."""
    frames = round(seconds * ANALYSIS_RATE / CHROMA_HOP)
    onsets = round(seconds * ANALYSIS_RATE / ONSET_HOP)
    return replace(
        heard,
        chroma=heard.chroma[:frames],
        level_db=heard.level_db[:frames],
        onset_strength=heard.onset_strength[:onsets],
        bass_strength=heard.bass_strength[:onsets],
    )


def _harmony(heard: Heard, reference: Reference, seconds: float) -> Mapping[str, float]:
    spans = [span for span in reference.sheet.chords if span.start_seconds < seconds]
    chords, band = chord_scores(heard, spans), reference.band
    return {
        "chord_accuracy": chords.accuracy,
        "chroma_agreement": chords.agreement,
        "key_agreement": key_agreement(heard, reference.key_weights),
        "true_chroma_cosine": heard_chroma_cosine(band, heard) if band else float("nan"),
    }


def _pulse(heard: Heard, reference: Reference, seconds: float) -> Mapping[str, float]:
    beats = reference.beats
    downbeats = np.array(reference.sheet.downbeats, dtype=np.float64)
    downbeats, asked = downbeats[downbeats < seconds], beats[beats < seconds]
    meter, tempo_bpm = reference.sheet.beats_per_bar, tempo_of(beats)
    return {
        "beat_f1": heard_beat_f1(asked, heard),
        "downbeat_accent": downbeat_accent(asked, downbeats, heard),
        "downbeat_f1": downbeat_f1(downbeats, meter, tempo_bpm, heard),
    }


def _chord_weights(chords: tuple[ChordSpan, ...]) -> NDArray[np.float64]:
    """Seconds for which each pitch class is in the score's chords [12]."""
    weights = np.zeros(12)
    for span in chords:
        weights[list(parse_chord(span.label).pitch_classes)] += (
            span.end_seconds - span.start_seconds
        )
    return weights
