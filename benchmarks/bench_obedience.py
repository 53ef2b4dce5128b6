"""Is the band obedient? Chords and tempi that no song has, given, and heard again in the output.

Each case is made up: a random progression (roots, kinds and changes drawn evenly, so mostly far
from any key), a tempo and a meter, a melody of chord tones sung by a synthetic voice. Its true
rendering is a band arranged by rule and played by FluidSynth, as in the training data; ours hears
the voice and is given the sheet. Both are measured alike: chord accuracy by chroma and templates,
beats by a tracker that knows the tempo. One JSON line is appended to
`benchmarks/results/obedience.jsonl`.

    python benchmarks/bench_obedience.py --seeds 2
    python benchmarks/bench_obedience.py --bundle my-bundle --seconds 24
"""

import argparse
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from records import append_record, commit

from banso.audio import Audio
from banso.bundle import load_bundle
from banso.chords import PITCH_CLASS_NAMES, parse_chord
from banso.data.arranger import arrange, choose_style
from banso.data.prepare import choose_soundfont
from banso.data.render import SAMPLE_RATE, find_soundfonts, render_band
from banso.data.sampled import sing_with
from banso.data.song import Note, Song
from banso.eval.hearing import hear
from banso.eval.metrics import chord_scores, heard_beat_f1
from banso.eval.statistics import mean_interval
from banso.leadsheet import ChordSpan, LeadSheet
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

RESULTS = Path(__file__).parent / "results" / "obedience.jsonl"
TEMPI = (60.0, 75.0, 155.0, 190.0)
METERS = (4, 3)
KINDS = ("maj", "min", "7", "maj7", "min7")
LEAD_SECONDS = 0.5


def made_up(tempo: float, meter: int, seconds: float, rng: np.random.Generator) -> Song:
    """Draw a song: chords of half a bar or a bar, at any distance from each other, and a melody."""
    beat, total = 60 / tempo, LEAD_SECONDS + seconds
    count = int(seconds / beat) // meter * meter
    beats = tuple(LEAD_SECONDS + i * beat for i in range(count))
    spans: list[ChordSpan] = []
    melody: list[Note] = []
    place = 0
    while place < count:
        # Changes within a bar only where the tempo leaves a chord a second.
        halved = meter == 4 and 2 * beat >= 1.0 and rng.random() < 0.5
        length = 2 if halved else meter
        root = PITCH_CLASS_NAMES[int(rng.integers(12))]
        label = f"{root}:{KINDS[int(rng.integers(len(KINDS)))]}"
        end = min(place + length, count)
        spans.append(ChordSpan(beats[place], beats[end - 1] + beat, label))
        melody += _sung(label, [beats[i] for i in range(place, end)], beat, rng)
        place = end
    return Song(
        song_id="made-up", source="made up", melody=tuple(melody), bridge=(), piano=(),
        lead_sheet=LeadSheet(beats=beats, downbeats=beats[::meter], chords=tuple(spans)).joined(),
        duration_seconds=total, licence="CC0-1.0", attribution="",
    )  # fmt: skip


def _sung(label: str, beats: list[float], beat: float, rng: np.random.Generator) -> list[Note]:
    """A chord tone on most beats, between G3 and F#4."""
    notes = []
    for start in beats:
        if rng.random() < 0.75:
            tone = int(rng.choice(parse_chord(label).pitch_classes))
            notes.append(Note(start, start + 0.9 * beat, 55 + (tone - 55) % 12, 90))
    return notes


def measure_case(
    accompanist: Accompanist, tempo: float, meter: int, seconds: float, seed: int
) -> dict[str, Any]:
    """Make one case, render it truly and by ours, and measure both."""
    rng = np.random.default_rng([seed, round(tempo), meter])
    song = made_up(tempo, meter, seconds, rng)
    num_samples = round(song.duration_seconds * SAMPLE_RATE)
    voice = sing_with((), song.melody, num_samples, sample_rate=SAMPLE_RATE, rng=rng)
    band = arrange(song, choose_style(song, rng), rng)
    font = choose_soundfont(find_soundfonts(), rng)
    true = hear(render_band(band, num_samples, font.path, rng).mix, SAMPLE_RATE)
    options = GenerationOptions(lead_sheet=song.lead_sheet, seed=seed)
    made = accompanist.accompany(Audio(voice[None], SAMPLE_RATE), options).audio
    ours = hear(made.samples, made.sample_rate)
    row: dict[str, Any] = {"tempo": tempo, "meter": meter, "seed": seed}
    beats = np.array(song.lead_sheet.beats)
    for name, heard in (("true", true), ("ours", ours)):
        row[f"chords_{name}"] = chord_scores(heard, song.lead_sheet.chords).accuracy
        row[f"beats_{name}"] = heard_beat_f1(beats, heard)
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means with 95 % bootstrap intervals, and ours as a share of the true bands'."""
    out: dict[str, Any] = {}
    for metric in ("chords", "beats"):
        for name in ("true", "ours"):
            found = mean_interval([row[f"{metric}_{name}"] for row in rows])
            told = [found.estimate, found.low, found.high]
            out[f"{metric}_{name}"] = [round(value, 3) for value in told]
        out[f"{metric}_share"] = round(out[f"{metric}_ours"][0] / out[f"{metric}_true"][0], 3)
    return out


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="folder of a bundle; default: the shipped one")
    parser.add_argument("--seeds", type=int, default=2, help="cases of each tempo and meter")
    parser.add_argument("--seconds", type=float, default=24.0)
    options = parser.parse_args()
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    accompanist = Accompanist.from_bundle(options.bundle, num_threads=1)
    rows = []
    for tempo, meter, seed in itertools.product(TEMPI, METERS, range(options.seeds)):
        rows.append(measure_case(accompanist, tempo, meter, options.seconds, seed))
        print(json.dumps(rows[-1]), flush=True)
    bundle = load_bundle(options.bundle)
    record = {
        "commit": commit(),
        "bundle": f"{bundle.manifest.name} {bundle.hash}",
        "cases": len(rows),
        "seconds": options.seconds,
        **summary(rows),
        "rows": rows,
    }
    append_record(RESULTS, record)
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
