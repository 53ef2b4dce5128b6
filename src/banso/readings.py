"""Which reading of the beats makes most sense of a melody: the one whose chords are surest.

Onsets alone hardly tell a tempo from its half or double. But chords that change with the bars of
the right reading fit the melody better, so that the networks which name them doubt less. The
readings that are left behind still have a say in what sounds when.

References:
    Papadopoulos and Peeters 2011, "Joint estimation of chords and downbeats", IEEE TASLP 19(1).
    Hoeting et al. 1999, "Bayesian model averaging", Statistical Science 14(4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.leadsheet import LeadSheet
from banso.measures import Measures
from banso.pulse import Pulse

Floats = NDArray[np.float64]

# Nats that a nat of doubt about chords, and an octave of tempo, cost; fitted to 95 rendered voices
# of songs that no network had learned from.
_DOUBT_COST, _OCTAVE_COST = 0.6, 0.23
# Readings that have a say.
_MOST_HEARD = 3


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A reading of the beats and what it makes of the chords.

    Attributes:
        pulse: Its beats as they were found; None if there are none to tell.
        grid: Beats and downbeats of the whole recording.
        measures: Its half bars.
        log_probabilities: Of triads in each [half bars, 24], C to B major, then minor.
    """

    pulse: Pulse | None
    grid: LeadSheet
    measures: Measures
    log_probabilities: Floats

    @property
    def likelihood(self) -> float:
        """Log-probability, up to a constant, given onsets and chords."""
        if self.pulse is None:
            return 0.0
        probability = np.exp(self.log_probabilities)
        doubt = -(probability * self.log_probabilities).sum(axis=1)
        seconds = self.measures.ends - self.measures.starts
        mean = float(doubt @ seconds / seconds.sum())
        octaves = float(np.log2(self.pulse.tempo_bpm))
        return self.pulse.log_probability - _DOUBT_COST * mean - _OCTAVE_COST * octaves


def ranked(readings: Sequence[Reading]) -> list[Reading]:
    """Return readings, the likeliest first."""
    return sorted(readings, key=lambda reading: -reading.likelihood)


def together(readings: Sequence[Reading]) -> Floats:
    """Return what the likeliest readings say of the half bars of the first of them.

    Args:
        readings: At least one, ranked.

    Returns:
        Log-probabilities [half bars, 24].
    """
    heard = readings[:_MOST_HEARD]
    weights = np.exp([reading.likelihood - readings[0].likelihood for reading in heard])
    total = sum(
        weight * (_shares(readings[0].measures, own.measures) @ np.exp(own.log_probabilities))
        for weight, own in zip(weights, heard, strict=True)
    )
    return np.asarray(np.log(total / weights.sum() + 1e-9))


def _shares(measures: Measures, others: Measures) -> Floats:
    """Which share of each unit lies in each unit of another reading [units, others]."""
    ends = np.minimum(measures.ends[:, None], others.ends)
    overlap = np.maximum(0.0, ends - np.maximum(measures.starts[:, None], others.starts))
    return np.asarray(overlap / np.maximum(overlap.sum(axis=1, keepdims=True), 1e-9))
