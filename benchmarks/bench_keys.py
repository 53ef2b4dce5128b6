"""Keys of real voices against the notes that somebody wrote down for them.

The written notes of amateurs do not say what the key is: without a band they drift, and profiles
that agree on records disagree on them. So each take is compared with several readings of its
notes, at concert pitch and in its own tuning, and with the reading that lets the tonic drift
(`banso.tonic`, here on the written notes, not on those that were heard); and the readings with
each other, which shows how sure any of them is. So are the keys of bands that are made for each
take, one for every seed: the key that their chroma tells, heard at the tuning that they play in,
and that of the chords of their plan. One JSON line is appended to
`benchmarks/results/keys.jsonl`.

    python benchmarks/bench_keys.py --voices singing/ssvd
"""

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from records import append_record, commit

from banso.audio import Audio
from banso.chords import parse_chord
from banso.eval.hearing import hear
from banso.eval.metrics import estimate_key, key_score, unit_frames
from banso.eval.sets import load_voices
from banso.harmony import key_name
from banso.leadsheet import ChordSpan, SungNote
from banso.options import CONCERT_PITCH_HZ, GenerationOptions
from banso.pipeline import Accompanist
from banso.results import Accompaniment
from banso.tonic import drifting_key_scores

RESULTS = Path(__file__).parent / "results" / "keys.jsonl"
# Krumhansl and Kessler 1982; Temperley 1999, Music Perception 17(1): major, then minor.
PROFILES = {
    "krumhansl": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "temperley": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
}
Floats = NDArray[np.float64]


def readings(notes: tuple[SungNote, ...]) -> dict[str, str]:
    """Return the key of written notes by every way to read them."""
    pitch = np.array([note.midi for note in notes])
    seconds = np.array([note.end_seconds - note.start_seconds for note in notes])
    tuning = float(np.angle(np.exp(2j * np.pi * pitch).sum()) / (2 * np.pi))
    found = {"drifting": key_name(int(drifting_key_scores(notes).argmax()))}
    for name, shift in (("concert pitch", 0.0), ("own tuning", tuning)):
        classes = np.rint(pitch - shift).astype(np.int64) % 12
        weights = np.bincount(classes, seconds, 12)
        found[f"albrecht, {name}"] = estimate_key(weights)
        for profile in PROFILES:
            found[f"{profile}, {name}"] = _by_profile(weights, profile)
    return found


def _by_profile(weights: Floats, name: str) -> str:
    """The key whose profile correlates best with pitch-class weights [12] (Krumhansl 1990)."""
    turned = [np.roll(profile, tonic) for profile in PROFILES[name] for tonic in range(12)]
    return key_name(int(np.argmax([np.corrcoef(row, weights)[0, 1] for row in turned])))


def key_of_chords(chords: Iterable[ChordSpan]) -> str:
    """The key that the chords of a plan tell, each counted for as long as it lasts."""
    weights = np.zeros(12)
    for span in chords:
        weights[list(parse_chord(span.label).pitch_classes)] += (
            span.end_seconds - span.start_seconds
        )
    return estimate_key(weights)


def key_of_band(made: Accompaniment) -> str:
    """The key that the chroma of a band tells, at the band's own tuning."""
    band, cents = made.audio, 1200 * math.log2(made.provenance.tuning_hz / CONCERT_PITCH_HZ)
    heard = hear(band.samples, band.sample_rate, cents)
    return estimate_key(unit_frames(heard.chroma).sum(axis=0))


def measure(folder: Path, num_seeds: int) -> dict[str, Any]:
    """Plan every recording with written notes; compare its key with the readings of those."""
    accompanist = Accompanist.from_bundle(num_threads=1)
    takes: dict[str, dict[str, Any]] = {}
    for item in load_voices(folder):
        if item.sheet.notes:
            audio = Audio(item.read_vocals(), item.sample_rate)
            plan = accompanist.song_plan(accompanist.listen(audio), GenerationOptions())
            made = [
                accompanist.accompany(audio, GenerationOptions(seed=seed))
                for seed in range(num_seeds)
            ]
            takes[item.name] = {
                "found": plan.sheet.key,
                "chords": key_of_chords(plan.sheet.chords),
                "bands": [key_of_band(band) for band in made],
                "readings": readings(item.sheet.notes),
            }
    names = list(next(iter(takes.values()))["readings"])

    def agreement(name: str, keys_of: Callable[[dict[str, Any]], list[str]]) -> float:
        scores = [
            key_score(take["readings"][name], key)
            for take in takes.values()
            for key in keys_of(take)
        ]
        return round(float(np.mean(scores)), 3)

    return {
        "takes": len(takes),
        "seeds": num_seeds,
        "found_against": {name: agreement(name, lambda take: [take["found"]]) for name in names},
        "chords_against": {name: agreement(name, lambda take: [take["chords"]]) for name in names},
        "bands_against": {name: agreement(name, lambda take: take["bands"]) for name in names},
        "readings_against_each_other": {
            f"{one} / {other}": agreement(one, lambda take, other=other: [take["readings"][other]])
            for one, other in itertools.combinations(names, 2)
        },
        "keys": takes,
    }


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3, help="bands for each take")
    options = parser.parse_args()
    record = {
        "commit": commit(),
        "voices": options.voices.name,
        **measure(options.voices, options.seeds),
    }
    append_record(RESULTS, record)
    print(json.dumps({k: v for k, v in record.items() if k != "keys"}, indent=1))


if __name__ == "__main__":
    main()
