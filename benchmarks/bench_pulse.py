"""Beats of whole songs, and how many beats their bars are heard to have, from melodies as written.

Voices are not rendered: notes of the score begin somewhat early or late, and some are missed. So
whole songs of minutes can be had by the hundred, where the rendered sets hold excerpts. Measured
are beats and first beats of bars (F-measure within 70 ms) of POP909's songs, whose beats follow
records, once as shipped and once without the readings that keep one tempo throughout
(`banso.steady_pulse`); and of the lead sheets and songs in three, how many are heard in three. One
JSON line is appended to `benchmarks/results/pulse.jsonl`.

    python benchmarks/bench_pulse.py --lessons work/lessons.npz

`--lessons` is what `scripts/song_lessons.py` writes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from records import keep

from banso import pulse
from banso.eval.plans import f_measure
from banso.eval.statistics import mean_interval
from banso.onsets import SungEvents

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from song_lessons import Lesson, read_lessons

RESULTS = Path(__file__).parent / "results" / "pulse.jsonl"
HELD_OUT = ("test", "validation", "tuning")
_JITTER_SECONDS, _MISSED = 0.03, 0.05
# Shorter ones are one piece to `banso.pulse`.
_LEAST_SECONDS = 110.0


def sung(lesson: Lesson, random: np.random.Generator) -> SungEvents:
    """Onsets as they might be heard of a song's notes."""
    start, end, pitch = lesson.notes.astype(np.float64).T
    start = np.maximum(0.0, start + random.normal(0, _JITTER_SECONDS, len(start)))
    heard = np.flatnonzero(random.random(len(start)) > _MISSED)
    heard = heard[np.argsort(start[heard], kind="stable")]
    strength = np.clip(random.gamma(2.0, 0.25, len(heard)), 0, 1)
    end = np.maximum(end, start + 0.05)
    return SungEvents(start[heard], end[heard], pitch[heard], strength)


def beats_of(lessons: Sequence[Lesson]) -> dict[str, list[float]]:
    """Scores of beats and of first beats, each with its 95 % interval."""
    random = np.random.default_rng(0)
    scores = []
    for lesson in lessons:
        found = pulse.find_pulse(sung(lesson, random), float(lesson.beats[-1] + 1))
        true = lesson.beats, lesson.beats[lesson.is_down]
        own = ((), ()) if found is None else (found.beats, found.downbeats)
        scores.append([f_measure(tuple(a), tuple(b)) for a, b in zip(true, own, strict=True)])
    return {
        name: _interval([row[column] for row in scores])
        for column, name in enumerate(("beats", "downbeats"))
    }


def heard_in_three(lessons: Sequence[Lesson]) -> list[float]:
    """Share of songs whose bars are heard to have three beats, with its 95 % interval."""
    random = np.random.default_rng(0)
    found = [pulse.find_pulse(sung(own, random), float(own.beats[-1] + 1)) for own in lessons]
    return _interval([float(own is not None and own.beats_per_bar == 3) for own in found])


def _interval(values: Sequence[float]) -> list[float]:
    found = mean_interval(np.array(values, dtype=np.float64))
    return [round(v, 4) for v in (found.estimate, found.low, found.high)]


def measure(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Measure all songs that no table has learned from."""
    held = [own for own in lessons if own.split in HELD_OUT and not own.is_heard]
    long = [own for own in held if own.source == "pop909" and own.beats[-1] > _LEAST_SECONDS]
    record: dict[str, Any] = {"songs": len(long), "as shipped": beats_of(long)}
    steady, pulse.steady_readings = pulse.steady_readings, lambda *_: []
    record["without steady readings"] = beats_of(long)
    pulse.steady_readings = steady
    for source in ("openewld", "lieder"):
        every = [own for own in held if own.source == source and own.split != "tuning"]
        for name, own in (
            ("in three", [one for one in every if one.beats_per_bar == 3]),
            ("in two or four", [one for one in every if one.beats_per_bar in (2, 4)]),
        ):
            record[f"{source} {name}"] = {"songs": len(own), "heard in three": heard_in_three(own)}
    return record


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lessons", type=Path, required=True)
    options = parser.parse_args()
    keep(RESULTS, measure(read_lessons(options.lessons)))


if __name__ == "__main__":
    main()
