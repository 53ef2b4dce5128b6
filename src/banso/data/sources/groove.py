"""Groove MIDI: drummers playing to a click, with style, tempo and metre.

The corpus may be an unpacked folder or the `groove-midi.tar.xz` archive. Only the notes are used.

References:
    Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations", ICML.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import mido
import numpy as np

from banso.data.song import Note, Song
from banso.data.sources.archives import read_files
from banso.errors import DataError
from banso.leadsheet import LeadSheet

SOURCE = "groove"
LICENCE = "CC-BY-4.0"
ATTRIBUTION = "Groove MIDI Dataset, Google LLC (Gillick et al., ICML 2019)"

_ARCHIVE = "groove-midi*.tar.xz"
_INDEX = "info.csv"
# Keys of the recorded Roland TD-11 kit that General MIDI has elsewhere or not at all.
_GENERAL_MIDI = {
    22: 42, 26: 46, 40: 38, 52: 49, 53: 51, 55: 49, 57: 49, 58: 43, 59: 51,
}  # fmt: skip
_LEAST_HITS = 8


@dataclass(frozen=True, slots=True)
class DrumHit:
    """One stroke.

    Attributes:
        beat: Place in beats from the start of the performance, human deviation included.
        key: General MIDI drum key.
        velocity: 1 to 127.
    """

    beat: float
    key: int
    velocity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DrumTake:
    """One performance.

    Attributes:
        take_id: Such as `groove-drummer1/eval_session/1`.
        styles: Style from general to special, such as `("funk", "groove1")`.
        tempo: Beats per minute that it was played at.
        is_fill: Whether it is a fill rather than a beat.
        beats_per_bar: Of its metre, a beat being its lower number.
        num_bars: Bars that it fills, rounded up.
        hits: In order.
    """

    take_id: str
    styles: tuple[str, ...]
    tempo: float
    is_fill: bool
    beats_per_bar: int
    num_bars: int
    hits: tuple[DrumHit, ...]

    def bar(self, number: int) -> tuple[DrumHit, ...]:
        """Return the strokes of a bar, beats counted from its start; bars repeat without end.

        A stroke up to a quarter beat early belongs to the bar that it anticipates.
        """
        start = (number % self.num_bars) * self.beats_per_bar
        total = self.num_bars * self.beats_per_bar
        placed = []
        for hit in self.hits:
            beat = (hit.beat - start + 0.25) % total - 0.25
            if beat < self.beats_per_bar - 0.25:
                placed.append(DrumHit(beat, hit.key, hit.velocity))
        return tuple(sorted(placed, key=lambda hit: hit.beat))

    @property
    def song_id(self) -> str:
        """Name in banso's manifests."""
        return self.take_id.replace("/", "-")

    def read(self) -> Song:
        """Return the performance as a song of drums alone, at its own tempo.

        Raises:
            DataError: If it is a fill, which is too short for an item.
        """
        if self.is_fill:
            raise DataError(f"{self.song_id} is a fill, too short for an item")
        beat = 60 / self.tempo
        count = self.num_bars * self.beats_per_bar
        beats = tuple(i * beat for i in range(count))
        drums = [Note(h.beat * beat, h.beat * beat + 0.12, h.key, h.velocity) for h in self.hits]
        sheet = LeadSheet(beats=beats, downbeats=beats[:: self.beats_per_bar])
        return Song(
            song_id=self.song_id,
            source=SOURCE,
            melody=(),
            bridge=(),
            piano=(),
            lead_sheet=sheet,
            duration_seconds=count * beat,
            licence=LICENCE,
            attribution=ATTRIBUTION,
            drums=tuple(note for note in drums if note.start_seconds >= 0),
            is_written_out=True,
        )


def read_corpus(root: Path) -> list[DrumTake]:
    """Load all performances below a folder, or in the corpus's archive, in order of their names.

    Args:
        root: A folder that holds `info.csv` with the MIDI files beside it, or the archive.

    Raises:
        DataError: If there is no such corpus, or its index is broken.
    """
    midis: dict[str, bytes] = {}
    index, licensed = b"", False
    for path, content in read_files(root, _ARCHIVE, (".mid", _INDEX, "license")):
        place = PurePosixPath(path)
        if place.name == _INDEX:
            index = content
        elif place.suffix == ".mid":
            midis["/".join(place.parts[-3:])] = content
        else:
            licensed = licensed or b"Creative Commons Attribution 4.0" in content
    if not index or not midis:
        raise DataError(f"no Groove MIDI below {root}: unpack it or put {_ARCHIVE} there")
    if not licensed:
        raise DataError(f"Groove MIDI below {root} has no LICENSE file (CC BY 4.0) beside it")
    takes = []
    for row in csv.DictReader(io.StringIO(index.decode("utf-8", "replace"))):
        name = "/".join(PurePosixPath(row.get("midi_filename", "")).parts[-3:])
        if name in midis:
            take = _read_take(row, midis[name])
            if len(take.hits) >= _LEAST_HITS or take.is_fill:
                takes.append(take)
    if not takes:
        raise DataError(f"{_INDEX} below {root} names none of the {len(midis)} MIDI files there")
    return sorted(takes, key=lambda take: take.take_id)


def _read_take(row: dict[str, str], content: bytes) -> DrumTake:
    try:
        midi = mido.MidiFile(file=io.BytesIO(content))
        beats, beat_type = (int(number) for number in row["time_signature"].split("-"))
        tempo = float(row["bpm"])
    except (OSError, ValueError, EOFError, KeyError, IndexError) as error:
        name = row.get("midi_filename", "a row")
        raise DataError(f"Groove MIDI: cannot read {name}: {error}") from error
    # Ticks count quarter notes; beats are what the metre's lower number says.
    hits = _hits(midi, beat_type / 4)
    last = hits[-1].beat if hits else 0.0
    return DrumTake(
        take_id=f"{SOURCE}-{row['id']}",
        styles=tuple(row["style"].split("/")),
        tempo=tempo * beat_type / 4,
        is_fill=row["beat_type"] == "fill",
        beats_per_bar=beats,
        num_bars=max(1, int(np.ceil((last + 0.25) / beats))),
        hits=hits,
    )


def _hits(midi: mido.MidiFile, beats_per_quarter: float) -> tuple[DrumHit, ...]:
    hits = []
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity > 0:
                key = _GENERAL_MIDI.get(message.note, message.note)
                beat = tick / midi.ticks_per_beat * beats_per_quarter
                hits.append(DrumHit(beat, key, message.velocity))
    return tuple(sorted(hits, key=lambda hit: (hit.beat, hit.key)))
