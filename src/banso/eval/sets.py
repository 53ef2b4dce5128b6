"""What can be evaluated: prepared songs, excerpts of recorded songs, voices without a band."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.data.manifest import Item, Manifest, load_manifest
from banso.data.song import sheet_excerpt
from banso.errors import DataError
from banso.eval.hearing import Array
from banso.eval.stems import STEM_RATE, StemSong, load_stem_song
from banso.files import READABLE_SUFFIXES, read_audio
from banso.filetree import files_below
from banso.leadsheet import LeadSheet, SungNote

logger = logging.getLogger(__name__)

_EXCERPT_SECONDS = 48.0
_LEAST_SUNG_SHARE = 0.4
_SUNG_DB = -40.0
_PAUSE_DB = 25.0  # below the loudest second of a voice nobody sings


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalItem:
    """A song to be evaluated; its audio is read when needed, so that a set fits in memory.

    Attributes:
        name: For the tables.
        sheet: What is known of beats, chords, key and sung notes, on the item's time line.
        sample_rate: Of all recordings, in Hz.
        read_vocals: Returns the voice [channels, samples].
        read_accompaniment: Returns the true band [2, samples]; None if there is none.
        identity: Says which recordings these are, so that observations can be kept; empty if not
            known.
        group: The song that it is part of.
    """

    name: str
    sheet: LeadSheet
    sample_rate: int
    read_vocals: Callable[[], Array]
    read_accompaniment: Callable[[], Array] | None
    identity: str = ""
    group: str = ""


def load_items(
    folder: Path,
    *,
    split: str = "test",
    limit: int | None = None,
    max_seconds: float | None = None,
    from_singing: bool = True,
) -> list[EvalItem]:
    """Read the items of one split of a data set, one per song.

    Args:
        folder: Data set with a `manifest.json`.
        split: Which split.
        limit: At most so many songs.
        max_seconds: Only so much of each.
        from_singing: Whether that begins where the singing does, not where the band does.

    Returns:
        Items in order of their names.

    Raises:
        DataError: If the manifest is missing or the split has fewer than 2 songs.
    """
    manifest = load_manifest(folder)
    songs = {item.song_id: item for item in reversed(manifest.of_split(split))}
    items = sorted(songs.values(), key=lambda item: item.item_id)[:limit]
    if len(items) < 2:
        raise DataError(f"{folder} has {len(items)} songs in the split '{split}'; 2 are needed")
    return [_prepared(manifest, i, max_seconds, from_singing=from_singing) for i in items]


def load_excerpts(
    folders: Sequence[Path], *, limit: int | None = None, max_seconds: float | None = None
) -> list[EvalItem]:
    """Cut songs given as stems into excerpts in which somebody sings.

    Args:
        folders: Of one song each, one audio file per stem.
        limit: At most so many excerpts of each song.
        max_seconds: Length of an excerpt; 48 s by default, about one window of the model.

    Returns:
        Excerpts in order, at least 40 % of whose seconds are sung.

    Raises:
        DataError: If a folder holds no stems or nobody sings in any song.
        AudioError: If ffmpeg is missing or cannot decode a stem.
    """
    seconds = _EXCERPT_SECONDS if max_seconds is None else max_seconds
    items = []
    for folder in folders:
        items += _excerpts(load_stem_song(folder), seconds)[:limit]
    if not items:
        raise DataError(f"nobody sings for {seconds:.0f} s in {', '.join(map(str, folders))}")
    return items


def load_voices(
    folder: Path, *, limit: int | None = None, max_seconds: float | None = None
) -> list[EvalItem]:
    """Find recordings of voices without a band.

    Notes that somebody wrote down are read from `NAME.txt` beside `NAME.wav`: start and end in
    seconds and MIDI pitch, one note a line.

    Args:
        folder: Searched to any depth.
        limit: At most so many recordings.
        max_seconds: Only so much of each, from where the singing begins.

    Returns:
        Items without a true accompaniment, in order of their paths.

    Raises:
        DataError: If there are fewer than 2 recordings.
    """
    paths = files_below(folder, READABLE_SUFFIXES)
    if len(paths) < 2:
        raise DataError(f"{folder} holds {len(paths)} recordings; 2 are needed")
    return [_recording(path, folder, max_seconds) for path in paths[:limit]]


def _prepared(
    manifest: Manifest, item: Item, max_seconds: float | None, *, from_singing: bool
) -> EvalItem:
    names = ("vocals.flac", "accompaniment.flac")
    rate, sheet, rows = item.sample_rate, item.lead_sheet, slice(None)
    if max_seconds is not None and item.num_samples > max_seconds * rate:
        start = 0
        if from_singing:
            voice = read_audio(manifest.path(item, names[0])).samples
            start = _singing_begins(voice, rate, item.num_samples - round(max_seconds * rate))
        rows = slice(start, start + round(max_seconds * rate))
        sheet = sheet_excerpt(sheet, start / rate, start / rate + max_seconds)

    def reader(name: str) -> Callable[[], Array]:
        return lambda: read_audio(manifest.path(item, name)).samples[:, rows]

    sums = [item.sha256.get(name, "") for name in names]
    return EvalItem(
        name=item.item_id,
        sheet=sheet,
        sample_rate=rate,
        read_vocals=reader(names[0]),
        read_accompaniment=reader(names[1]),
        identity=":".join([*sums, str(rows)]) if all(sums) else "",
        group=item.song_id,
    )


def _singing_begins(voice: Array, sample_rate: int, latest: int) -> int:
    """Sample at which to begin: up to a second before the first sung second, but not too late."""
    power_db = _power_db(voice, sample_rate)
    first = int(np.argmax(power_db > power_db.max() - _PAUSE_DB)) - 1
    return min(max(0, first) * sample_rate, latest)


def _excerpts(song: StemSong, seconds: float) -> list[EvalItem]:
    size, items = round(seconds * STEM_RATE), []
    for start in range(0, song.vocals.shape[1] - size + 1, size):
        voice = song.vocals[:, start : start + size]
        band = song.accompaniment[:, start : start + size]
        if _sung_share(voice) >= _LEAST_SUNG_SHARE:
            items.append(_in_memory(song.name, start / STEM_RATE, voice, band))
    return items


def _in_memory(song: str, start_seconds: float, voice: Array, band: Array) -> EvalItem:
    return EvalItem(
        name=f"{song} {start_seconds:.0f} s",
        sheet=LeadSheet(),
        sample_rate=STEM_RATE,
        read_vocals=lambda: voice,
        read_accompaniment=lambda: band,
        identity=_checksum(voice, band),
        group=song,
    )


def _recording(path: Path, folder: Path, max_seconds: float | None) -> EvalItem:
    audio = read_audio(path)
    rate, start, size = audio.sample_rate, 0, audio.num_samples
    if max_seconds is not None and size > max_seconds * rate:
        size = round(max_seconds * rate)
        start = _singing_begins(audio.samples, rate, audio.num_samples - size)
    rows = slice(start, start + size)
    notes = [
        SungNote(note.start_seconds - start / rate, note.end_seconds - start / rate, note.midi)
        for note in _written_notes(path.with_suffix(".txt"))
        if start <= note.start_seconds * rate and note.end_seconds * rate <= start + size
    ]
    name = str(path.relative_to(folder))
    return EvalItem(
        name=name,
        sheet=LeadSheet(notes=tuple(notes)),
        sample_rate=rate,
        read_vocals=lambda: read_audio(path).samples[:, rows],
        read_accompaniment=None,
        identity=_checksum(audio.samples[:, rows]),
        group=name,
    )


def _written_notes(path: Path) -> tuple[SungNote, ...]:
    """Notes of a text file with three columns; none if it is missing or holds something else."""
    if not path.is_file():
        return ()
    try:
        rows = [list(map(float, line.split())) for line in path.read_text().splitlines()]
        return tuple(SungNote(*row) for row in rows if row)
    except (ValueError, TypeError):
        logger.info("%s holds no notes (start, end, MIDI pitch); it is not used", path)
        return ()


def _sung_share(voice: Array) -> float:
    return float(np.mean(_power_db(voice, STEM_RATE) > _SUNG_DB))


def _power_db(voice: Array, sample_rate: int) -> NDArray[np.float64]:
    """Level of each second of a voice [channels, samples]."""
    whole = max(1, voice.shape[1] // sample_rate)
    blocks = np.array_split(voice[:, : whole * sample_rate], whole, axis=1)
    power = np.array([np.mean(np.square(block, dtype=np.float64)) for block in blocks])
    return np.asarray(10 * np.log10(power + 1e-20))


def _checksum(*recordings: Array) -> str:
    digest = hashlib.sha256()
    for samples in recordings:
        digest.update(np.ascontiguousarray(samples).tobytes())
    return digest.hexdigest()
