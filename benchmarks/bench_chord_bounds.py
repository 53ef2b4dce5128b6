"""How well can chords be told from a melody at all? Bounds from the scores of POP909 alone.

- *half bars*: the best that one triad for every half bar can reach;
- *same song*: where the same melody comes again in a song, how often it has the same triad;
- *other songs*: where other songs have the same melody in their keys, how often the triad that most
  of them have there is this song's as well: what a perfect memory of these songs would score.

The second says what knowing the song would be worth, the third what a melody says to somebody who
does not know it. A melody is where notes begin, in sixteenths, and their pitch classes. One JSON
line is appended to `benchmarks/results/chord_bounds.jsonl`.

    python benchmarks/bench_chord_bounds.py --root pop909
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from records import append_record

from banso.chord_network import SLOTS, melody_grid
from banso.chords import parse_chord
from banso.data.song import Song
from banso.data.sources.pop909 import read_corpus
from banso.errors import BansoError
from banso.measures import measures_of
from banso.onsets import SungEvents

RESULTS = Path(__file__).parent / "results" / "chord_bounds.jsonl"
CONTEXTS = (1, 2, 4)  # half bars on either side that have to be alike


class Part:
    """Half bars of a song: melody and triad as seen from its tonic, and whether anything begins."""

    def __init__(self, song: Song) -> None:
        sheet = song.lead_sheet
        measures = measures_of(sheet, song.duration_seconds)
        borders = np.append(measures.starts, measures.ends[-1])
        rows = [(n.start_seconds, n.end_seconds, n.pitch, 1.0) for n in song.melody]
        events = SungEvents(*np.array(rows, dtype=np.float64).T)
        key = parse_chord(sheet.key or "C:maj")
        tonic = (key.root or 0) + 3 * key.is_minor
        self.begins = np.roll(melody_grid(events, borders)[:, :, SLOTS:], -tonic, axis=1)
        self.seconds = np.zeros((len(borders) - 1, 24))
        for span in sheet.chords:
            chord = parse_chord(span.label)
            if chord.root is None or 7 not in chord.intervals or not {3, 4} & set(chord.intervals):
                continue
            overlap = np.minimum(borders[1:], span.end_seconds)
            overlap = overlap - np.maximum(borders[:-1], span.start_seconds)
            column = (chord.root - tonic) % 12 + 12 * chord.is_minor
            self.seconds[:, column] += np.maximum(0.0, overlap)

    def phrases(self, reach: int) -> list[tuple[bytes, int]]:
        """Melody around each half bar in which a note begins, and the half bar's triad."""
        found = []
        for unit in range(reach, len(self.begins) - reach):
            if self.begins[unit].any() and self.seconds[unit].any():
                around = self.begins[unit - reach : unit + reach + 1]
                found.append((around.tobytes(), int(self.seconds[unit].argmax())))
        return found


def within_songs(parts: list[Part], reach: int) -> dict[str, float]:
    """Chance that a melody that comes again in its song has the same triad."""
    same, total = 0.0, 0
    for part in parts:
        places: dict[bytes, list[int]] = defaultdict(list)
        for melody, triad in part.phrases(reach):
            places[melody].append(triad)
        for triads in places.values():
            if len(triads) > 1:
                counts: NDArray[np.int64] = np.bincount(triads)
                same += float((counts * (counts - 1)).sum()) / (len(triads) - 1)
                total += len(triads)
    return {"right": round(same / total, 3), "half_bars": total}


def across_songs(parts: list[Part], reach: int) -> dict[str, float]:
    """Share of half bars whose triad is the commonest under the same melody in other songs."""
    places: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for number, part in enumerate(parts):
        for melody, triad in part.phrases(reach):
            places[melody].append((number, triad))
    right, total = 0, 0
    for found in places.values():
        songs, triads = np.array(found).T
        for song in np.unique(songs):
            others = triads[songs != song]
            if len(others):
                right += int((triads[songs == song] == np.bincount(others).argmax()).sum())
                total += int((songs == song).sum())
    return {"right": round(right / total, 3), "half_bars": total}


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder that holds POP909")
    parts = []
    for raw in read_corpus(parser.parse_args().root):
        try:
            song = raw.read()
        except BansoError:
            continue
        if song.lead_sheet.key is not None:
            parts.append(Part(song))
    best = sum(float(part.seconds.max(axis=1).sum()) for part in parts)
    record: dict[str, Any] = {
        "songs": len(parts),
        "half_bars": round(best / sum(float(part.seconds.sum()) for part in parts), 3),
        "same_song": {2 * r + 1: within_songs(parts, r) for r in CONTEXTS},
        "other_songs": {2 * r + 1: across_songs(parts, r) for r in CONTEXTS},
    }
    append_record(RESULTS, record)
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
