"""Half bars, which may have a chord each; beats that cover a whole recording."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from banso.leadsheet import LeadSheet

Floats = NDArray[np.float64]

# Without beats, chords may change so often.
_BLIND_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Measures:
    """Half bars; bars of an odd number of beats are not halved.

    Attributes:
        starts: Seconds [units].
        ends: Seconds [units].
        inside: 1 where a unit does not begin a bar, else 0 [units].
        beat_seconds: Usual length of a beat.
    """

    starts: Floats
    ends: Floats
    inside: NDArray[np.int64]
    beat_seconds: float


def measures_of(sheet: LeadSheet, end_seconds: float) -> Measures:
    """Cut a song into half bars.

    Args:
        sheet: Its beats and downbeats; without beats, units of two seconds are cut.
        end_seconds: Length of the song. What comes before the first beat belongs to its unit.

    Returns:
        Units from 0 to the end without gaps; at least one.
    """
    beats = [beat for beat in sheet.beats if 0 <= beat < end_seconds]
    if len(beats) < 2:
        starts = np.arange(0.0, max(end_seconds - _BLIND_SECONDS / 4, 1e-3), _BLIND_SECONDS)
        ends = np.append(starts[1:], end_seconds)
        inside = np.zeros(len(starts), np.int64)
        return Measures(starts=starts, ends=ends, inside=inside, beat_seconds=_BLIND_SECONDS / 4)
    places = {beat: index for index, beat in enumerate(beats)}
    downs = [places[down] for down in sheet.downbeats if down in places] or [0]
    marks: list[tuple[int, int]] = []
    if downs[0] > 0:
        marks += [(place, 1) for place in range(downs[0] % 2 if downs[0] > 1 else 0, downs[0], 2)]
    for first, after in pairwise([*downs, len(beats)]):
        halved = range(first + 2, after, 2) if (after - first) % 2 == 0 else range(0)
        marks += [(first, 0), *((place, 1) for place in halved)]
    starts = np.array([beats[place] for place, _ in marks])
    starts[0] = 0.0
    return Measures(
        starts=starts,
        ends=np.append(starts[1:], end_seconds),
        inside=np.array([inside for _, inside in marks]),
        beat_seconds=float(np.median(np.diff(beats))),
    )


def covering(sheet: LeadSheet, end_seconds: float) -> LeadSheet:
    """Return beats and downbeats that go on at their own pace to both ends of a recording.

    Args:
        sheet: At least two beats; all of them are kept.
        end_seconds: Length of the recording.

    Returns:
        A sheet with beats and downbeats only.
    """
    beats = np.array(sheet.beats)
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    before = beats[0] - first * np.arange(int(max(0.0, beats[0]) / first), 0, -1)
    after = beats[-1] + last * np.arange(1, int(max(0.0, end_seconds - beats[-1]) / last) + 1)
    after = after[after < end_seconds - 1e-6]
    every = (*before.tolist(), *sheet.beats, *after.tolist())
    downs = set(sheet.downbeats)
    if downs:
        size = sheet.beats_per_bar
        places = [index for index, beat in enumerate(every) if beat in downs]
        downs |= {every[index] for index in range(places[0] - size, -1, -size)}
        downs |= {every[index] for index in range(places[-1] + size, len(every), size)}
    return LeadSheet(beats=every, downbeats=tuple(beat for beat in every if beat in downs))
