"""Follow the lowest tones through time, so that a bass or a kick is one sinusoid at a time.

Below 130 Hz no two notes are a few semitones apart, but one note often lies between two semitones,
glides through them (a kick falls an octave within 100 ms), or is smeared over its neighbours by a
lossy code. Each semitone with a phase of its own would then beat against the next. Here neighbours
are heard as the strongest of them, and its phase runs on when it moves to another semitone.

References:
    McAulay and Quatieri 1986, "Speech analysis/synthesis based on a sinusoidal representation",
    IEEE TASSP 34(4): peaks joined to tracks by nearest frequency, each tried once.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from banso.codec.parameters import compress, expand

FloatT = TypeVar("FloatT", np.float32, np.float64)

# Semitones from C1 that are followed: to B2, 123 Hz.
NUM_BASS = 24
_REACH = 3  # semitones that a track may move in 23 ms
_SINE_START = -np.pi / 2  # attacks rise from zero


def gather_neighbours(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the power of every tone to the local maximum uphill of it.

    Args:
        power: [steps, tones].

    Returns:
        [steps, tones], zero but at local maxima; its sum over tones is unchanged.
    """
    index = np.arange(power.shape[1])
    padded = np.pad(power, ((0, 0), (1, 1)))
    left, right = padded[:, :-2], padded[:, 2:]
    uphill = index + np.where((right > power) & (right >= left), 1, np.where(left > power, -1, 0))
    # Following pointers doubles the distance each time: 2^5 semitones are more than there are.
    for _ in range(5):
        uphill = np.take_along_axis(uphill, uphill, axis=1)
    flat = (np.arange(len(power))[:, None] * power.shape[1] + uphill).ravel()
    gathered = np.bincount(flat, power.ravel(), power.size)
    return gathered.reshape(power.shape).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Sinusoids at every synthesis step, all [steps, tones].

    Attributes:
        amplitude: Full scale 1; zero where nothing sounds.
        hz: Frequency.
        phase: At the step, in radians.
    """

    amplitude: NDArray[np.float32]
    hz: NDArray[np.float64]
    phase: NDArray[np.float64]


class BassTracks:
    """Joins the lowest tones to tracks, in pieces of any length; the seams are exact.

    Args:
        turn: Radians per hertz from one step of levels to the next.
        inaudible: Amplitude below which a tone is none.
    """

    def __init__(self, turn: float, inaudible: float) -> None:
        self._turn, self._inaudible = turn, inaudible
        self._level = np.zeros(NUM_BASS, dtype=np.float32)
        self._hz = np.ones(NUM_BASS)
        self._phase = np.full(NUM_BASS, _SINE_START)

    def add(self, level: NDArray[np.float32], hz: NDArray[np.float64]) -> Tracks:
        """Follow the next steps.

        Args:
            level: Compressed amplitudes [steps, 24].
            hz: Their frequencies [steps, 24].

        Returns:
            Two synthesis steps for each of these: half-way from the last one, and there.
        """
        amplitude = np.sqrt(gather_neighbours(expand(level) ** 2))
        amplitude[amplitude < self._inaudible] = 0
        level = np.concatenate([self._level[None], compress(amplitude)])
        hz = np.concatenate([self._hz[None], hz])
        last, born, ended = _join(level > 0)
        rows = np.arange(len(last))[:, None]
        level_before = np.where(born, 0, level[:-1][rows, last])
        hz_before = np.where(born, hz[1:], hz[:-1][rows, last])
        half = self._turn / 2 * (0.75 * hz_before + 0.25 * hz[1:])
        whole = self._turn / 2 * (hz_before + hz[1:])
        phase = self._phases(last, born, half, whole)
        middle_phase = phase[:-1][rows, last] + half
        middle_phase = np.where(born, _SINE_START, middle_phase)
        # A tone that ends fades out on its own frequency.
        middle_level = np.where(ended, level[:-1], level_before + level[1:]) / 2
        middle_phase = np.where(ended, phase[:-1] + self._turn / 2 * hz[:-1], middle_phase)
        middle_hz = np.where(ended, hz[:-1], (hz_before + hz[1:]) / 2)
        self._level, self._hz, self._phase = level[-1], hz[-1], phase[-1] % (2 * np.pi)
        return Tracks(
            expand(_interleave(middle_level.astype(np.float32), level[1:])),
            _interleave(middle_hz, hz[1:]),
            _interleave(middle_phase, phase[1:]),
        )

    def _phases(
        self,
        last: NDArray[np.int64],
        born: NDArray[np.bool_],
        half: NDArray[np.float64],
        whole: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Phase [1 + steps, tones] of every track, beginning with where the last piece ended."""
        phase = np.empty((len(last) + 1, NUM_BASS))
        phase[0] = self._phase
        fresh = _SINE_START + (whole - half)
        for step, come_from in enumerate(last):
            moved = phase[step, come_from] + whole[step]
            phase[step + 1] = np.where(born[step], fresh[step], moved)
        return phase


def _join(
    sounds: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Match the tones of each step [1 + steps, tones] with those of the step before.

    Returns:
        For each step after the first: the tone it comes from (itself if from none), whether it is
        born there, and whether the same tone of the step before ends there, each [steps, tones].
    """
    before, now = sounds[:-1], sounds[1:]
    last, following = _nearest(now, before), _nearest(before, now)
    index = np.broadcast_to(np.arange(sounds.shape[1]), now.shape)
    mutual = np.take_along_axis(following, last, axis=1) == index
    kept = now & mutual & np.take_along_axis(before, last, axis=1)
    stays = before & (np.take_along_axis(last, following, axis=1) == index)
    stays &= np.take_along_axis(now, following, axis=1)
    return np.where(kept, last, index), now & ~kept, before & ~stays


def _nearest(sounds: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each tone [steps, tones] that sounds the nearest of the others, else itself."""
    index = np.broadcast_to(np.arange(sounds.shape[1]), sounds.shape)
    nearest = np.array(index)
    found = np.array(others)
    for distance in range(1, _REACH + 1):
        for move in (-distance, distance):
            place = np.clip(index + move, 0, sounds.shape[1] - 1)
            there = ~found & np.take_along_axis(others, place, axis=1)
            nearest[there] = place[there]
            found |= there
    return nearest


def _interleave(first: NDArray[FloatT], second: NDArray[FloatT]) -> NDArray[FloatT]:
    return np.stack([first, second], axis=1).reshape(-1, first.shape[1])
