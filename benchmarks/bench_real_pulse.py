"""Beats heard in the voices of released songs, beside those of their true bands.

The voice alone is heard; the true beats are those that a tracker finds in the stems of the band.
A tempo may be read an octave off and a bar may begin on any beat, so what counts is how many true
beats lie on the grid that the band plays on: within 30 ms of one of its eighths or sixteenths. One
JSON line is appended to `benchmarks/results/real_pulse.jsonl`.

    python benchmarks/bench_real_pulse.py --stems stems/one --stems stems/other
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from records import keep

from banso.audio import Audio
from banso.eval.beat_tracking import track_beats
from banso.eval.hearing import hear
from banso.eval.stems import STEM_RATE, load_stem_song
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

RESULTS = Path(__file__).parent / "results" / "real_pulse.jsonl"
NEAR_SECONDS = 0.03


def on_grid(
    true: NDArray[np.float64], beats: NDArray[np.float64], parts: int
) -> tuple[float, float]:
    """Share of true beats near the parts of beats, and that of beats anywhere."""
    places = np.arange(0, len(beats) - 1 + 1e-9, 1 / parts)
    grid = np.interp(places, np.arange(len(beats)), beats)
    inside = true[(true >= grid[0]) & (true <= grid[-1])]
    near = np.abs(inside[:, None] - grid).min(axis=1) < NEAR_SECONDS
    return float(near.mean()), float(min(1.0, 2 * NEAR_SECONDS / np.diff(grid).mean()))


def measure(folder: Path, accompanist: Accompanist) -> dict[str, object]:
    """Plan one song from its voice and compare with its band."""
    song = load_stem_song(folder)
    voice = Audio(song.vocals, STEM_RATE)
    plan = accompanist.song_plan(accompanist.listen(voice), GenerationOptions())
    true = track_beats(hear(song.accompaniment, STEM_RATE))
    beats = np.array(plan.sheet.beats)
    found: dict[str, object] = {
        "tempo_bpm": round(plan.tempo_bpm or 0.0, 2),
        "true_bpm": round(60 / float(np.median(np.diff(true))), 2),
        "confidence": round(plan.tempo_confidence, 3),
        "played": plan.sure_of_beats,
    }
    for name, parts in (("eighths", 2), ("sixteenths", 4)):
        share, chance = on_grid(true, beats, parts)
        found[name] = {"share": round(share, 3), "chance": round(chance, 3)}
    return found


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stems", type=Path, action="append", required=True)
    accompanist = Accompanist.from_bundle(num_threads=1)
    songs = {folder.name: measure(folder, accompanist) for folder in parser.parse_args().stems}
    keep(RESULTS, {"songs": songs})


if __name__ == "__main__":
    main()
