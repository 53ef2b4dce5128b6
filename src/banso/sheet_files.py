"""Lead sheets in files: text (`.banso.txt`), MIDI (`.mid`) or labels (`.lab`), by their endings."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from banso.beat_grid import TEMPO_RANGE_BPM, BeatGrid
from banso.errors import ConfigError, DataError
from banso.leadsheet import ChordSpan, LeadSheet
from banso.midi_file import MAX_BYTES
from banso.sheet_lab import read_beats, read_chords, write_beats, write_chords
from banso.sheet_midi import read_midi, write_midi
from banso.sheet_text import read_sheet
from banso.sheet_writer import write_sheet

TEXT_ENDING, MIDI_ENDING, CHORDS_ENDING, BEATS_ENDING = (".banso.txt", ".mid", ".lab", ".beats.lab")
ENDINGS = (TEXT_ENDING, MIDI_ENDING, CHORDS_ENDING, BEATS_ENDING)
SUFFIXES = (".txt", ".mid", ".midi", ".lab")
_BEATS_PER_BAR = 4


def read_sheet_file(path: str | os.PathLike[str], bpm: float | None = None) -> LeadSheet:
    """Read a lead sheet from a file.

    Args:
        path: `.txt`, `.mid` or `.midi`, or `.lab` with chords; beside the last, `<name>.beats.lab`
            may hold the beats.
        bpm: Beats a minute for chords without beats; chords begin on beats then.

    Raises:
        DataError: If the file cannot be read or understood.
        ConfigError: If its ending is unknown, or `bpm` is given for a file that has beats itself.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".txt":
        sheet = read_sheet(_text(path), path.name)
    elif suffix in (".mid", ".midi"):
        sheet = read_midi(_content(path), path.name)
    elif suffix == CHORDS_ENDING:
        sheet = _read_labels(path)
    else:
        raise ConfigError(
            f"{path} is no lead sheet by its ending; give a .banso.txt, .mid or .lab file"
        )
    if bpm is None:
        return sheet
    if sheet.beats:
        raise ConfigError(f"{path} has its own beats; leave the tempo out or change it in the file")
    return with_tempo(sheet, bpm)


def format_sheet(sheet: LeadSheet, ending: str) -> bytes:
    """Return what a file with one of `ENDINGS` holds."""
    if ending == MIDI_ENDING:
        return write_midi(sheet)
    write = {TEXT_ENDING: write_sheet, CHORDS_ENDING: write_chords, BEATS_ENDING: write_beats}
    return write[ending](sheet).encode("utf-8")


def with_tempo(sheet: LeadSheet, bpm: float) -> LeadSheet:
    """Return a sheet whose chords get beats: as many chords as possible begin on beats, then bars.

    Args:
        sheet: Chords without beats.
        bpm: Beats a minute.

    Raises:
        ConfigError: If the tempo is out of range.
    """
    lowest, highest = TEMPO_RANGE_BPM
    if not lowest <= bpm <= highest:
        raise ConfigError(f"bpm is {bpm}; choose {lowest:.0f} to {highest:.0f}")
    if not sheet.chords:
        return sheet
    period = 60 / bpm
    starts = np.array([span.start_seconds for span in sheet.chords])
    # The phase that most starts agree on; a mean would be drawn away by stragglers.
    apart = np.abs((starts[:, None] - starts + period / 2) % period - period / 2)
    first = float(starts[apart.sum(axis=1).argmin()] % period)
    count = int(np.ceil((sheet.chords[-1].end_seconds - first) / period - 1e-6))
    beats = BeatGrid(start_seconds=first, tempo_bpm=bpm).beats(max(2, count))
    places = np.rint((starts - first) / period).astype(np.int64) % _BEATS_PER_BAR
    phase = int(np.bincount(places, minlength=_BEATS_PER_BAR).argmax())
    snapped = tuple(_snapped(span, beats) for span in sheet.chords)
    return replace(sheet, beats=beats, downbeats=beats[phase::_BEATS_PER_BAR], chords=snapped)


def _snapped(span: ChordSpan, beats: tuple[float, ...]) -> ChordSpan:
    """Let a chord that begins or ends within a hair of a beat do so exactly."""
    times = [span.start_seconds, span.end_seconds]
    for index, time in enumerate(times):
        nearest = min(beats, key=lambda beat: abs(beat - time))
        if abs(nearest - time) < 1e-6:
            times[index] = nearest
    return replace(span, start_seconds=times[0], end_seconds=times[1])


def _read_labels(path: Path) -> LeadSheet:
    if path.name.lower().endswith(BEATS_ENDING):
        return read_beats(_text(path), path.name)
    beats = path.with_name(path.name[: -len(CHORDS_ENDING)] + BEATS_ENDING)
    sheet = read_beats(_text(beats), beats.name) if beats.is_file() else LeadSheet()
    return replace(sheet, chords=read_chords(_text(path), path.name))


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {path}: {reason}") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES} bytes; a lead sheet is not")
    return content
