"""One tempo from the first note to the last, as music that is made to a click keeps it.

The onsets of a whole song show such a pulse far finer than those of a piece of it, and it goes on
where hardly anybody sings. Whether a song keeps one is told by its phase: if the onsets of all
pieces add up in the same phase, they keep to one pulse; if they do not, the tempo drifts.

References:
    Grosche and Müller 2011, "Extracting predominant local pulse information", IEEE TASLP 19(6)
    (Fourier tempogram). Hinton 2002, "Training products of experts by minimizing contrastive
    divergence", Neural Computation 14(8) (pieces that judge one reading each by itself).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.onsets import SungEvents
from banso.pulse_candidates import (
    BINS_PER_BEAT,
    LEVELS,
    METERS,
    candidates_at,
    find_periods,
    onset_spectrum,
    salience,
)
from banso.pulse_table import PulseTable, near_sums

Floats = NDArray[np.float64]

# Share of the pieces' onsets that must be in one phase.
_LEAST_COHERENCE = 0.9
# A piece's own pulse is looked for so far around that of the song.
_DRIFT = np.linspace(-0.015, 0.015, 31)
# A tempo that was found in pieces is made finer within this.
_FINER = np.linspace(-0.007, 0.007, 281)
# No piece can rule a reading out alone.
_LEAST_SHARE = 1e-5
_SAME_PERIOD = 5e-4


@dataclass(frozen=True, slots=True)
class SteadyReading:
    """A pulse that never changes.

    Attributes:
        period: Seconds a beat.
        downbeat: Seconds at which some bar begins.
        beats_per_bar: 3 or 4.
        log_probabilities: What each piece says of it.
    """

    period: float
    downbeat: float
    beats_per_bar: int
    log_probabilities: tuple[float, ...]

    @property
    def log_probability(self) -> float:
        """All pieces together."""
        return sum(self.log_probabilities)


def steady_readings(
    events: SungEvents, pieces: Sequence[SungEvents], periods: Sequence[float], table: PulseTable
) -> list[SteadyReading]:
    """Find pulses to which a whole song keeps.

    Args:
        events: Of the song.
        pieces: Those of each piece, in seconds of the song.
        periods: Seconds a beat of pulses that pieces were found to have.
        table: What is known of songs.

    Returns:
        Readings, the likeliest first; none if the tempo drifts.
    """
    tried = np.append(find_periods(events)[0], [_finer(events, p) for p in periods])
    first = [i for i, p in enumerate(tried) if (np.abs(np.log(tried[:i] / p)) > _SAME_PERIOD).all()]
    kept = tried[[i for i in first if coherence(pieces, tried[i]) > _LEAST_COHERENCE]]
    if not len(kept):
        return []
    heard = [_near(piece, kept, table) for piece in pieces]
    found = []
    for meter in range(len(METERS)):
        found += _best_places(kept, np.stack([own[meter] for own in heard]), METERS[meter])
    return sorted(found, key=lambda reading: -reading.log_probability)


def coherence(pieces: Sequence[SungEvents], period: float) -> float:
    """Tell how far the onsets of all pieces are in one phase of a pulse, 0 to 1.

    Args:
        pieces: Onsets of each, in seconds of the song.
        period: Of the pulse in seconds a beat.

    Returns:
        Of beats, eighths and sixteenths, that to which most onsets keep.
    """
    rates = LEVELS[:, None] / period * (1 + _DRIFT)
    spectra = np.array([onset_spectrum(piece, rates.ravel()) for piece in pieces])
    spectra = spectra.reshape(len(pieces), len(LEVELS), len(_DRIFT))
    together = np.abs(spectra[..., len(_DRIFT) // 2].sum(axis=0))
    level = int(together.argmax())
    return float(together[level] / np.abs(spectra[:, level]).max(axis=1).sum())


def _finer(events: SungEvents, period: float) -> float:
    """The period near another to which the onsets of the whole song keep best."""
    near = period * (1 + _FINER)
    return float(near[salience(events, near).argmax()])


def _near(piece: SungEvents, periods: Floats, table: PulseTable) -> list[Floats]:
    """Log-probability of each period and place [periods, places], for each meter.

    The piece's own pulses are candidates too, so that it can say that none of these fits.
    """
    own = find_periods(piece)[0]
    other = own[(np.abs(np.log(own[:, None] / periods)) > 0.01).all(axis=1)]
    every = np.append(periods, other)
    logs = table.log_probabilities(candidates_at(piece, every, salience(piece, every)))
    return [
        np.log(np.maximum(near_sums(np.exp(log[: len(periods)])), _LEAST_SHARE)) for log in logs
    ]


def _best_places(periods: Floats, heard: Floats, beats_per_bar: int) -> list[SteadyReading]:
    """Peaks of what pieces say [pieces, periods, places], all together."""
    total = heard.sum(axis=0)
    found = []
    for row, log in enumerate(total):
        before, after = np.roll(log, 1), np.roll(log, -1)
        for place in np.flatnonzero((log > before) & (log >= after)):
            bend = before[place] - 2 * log[place] + after[place]
            exact = place + 0.5 * (before[place] - after[place]) / min(bend, -1e-9)
            period = float(periods[row])
            logs = tuple(float(own) for own in heard[:, row, place])
            found.append(SteadyReading(period, exact / BINS_PER_BEAT * period, beats_per_bar, logs))
    return found
