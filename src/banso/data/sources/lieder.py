"""OpenScore Lieder: art songs as MusicXML, a voice with words over a written-out piano.

The corpus may be an unpacked folder or the `OpenScore-Lieder.tar.xz` archive. Every score says
itself that it is CC0; one that does not is rejected.

References:
    Gotham and Jonas 2022, "The OpenScore Lieder Corpus", Music Encoding Conference.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from banso.data.harmony import estimate_chords, estimate_key
from banso.data.musicxml import Part, Score, read_musicxml
from banso.data.scoretime import Performance, one_voice
from banso.data.song import Note, Notes, Song
from banso.data.sources.archives import read_files
from banso.errors import DataError
from banso.leadsheet import LeadSheet

SOURCE = "lieder"
LICENCE = "CC0-1.0"
ATTRIBUTION = "OpenScore Lieder Corpus (Gotham and Jonas 2022)"

_ARCHIVE = "OpenScore-Lieder*.tar.xz"
_IDENTIFIER = re.compile(r"lc\d+")


@dataclass(frozen=True, slots=True)
class RawLied:
    """One score file, not yet understood.

    Attributes:
        song_id: Such as `lieder-lc5079391`.
        content: The file.
    """

    song_id: str
    content: bytes

    def read(self) -> Song:
        """Understand the score.

        Raises:
            DataError: If it is damaged, not CC0, or lacks a voice with words or a piano.
        """
        return read_song(self)


def read_corpus(root: Path) -> list[RawLied]:
    """Load all scores below a folder, or in the corpus's archive, in order of their number.

    Args:
        root: A folder that holds `lc*.mxl` files or the archive at any depth, or the archive.

    Raises:
        DataError: If there is no such score.
    """
    songs = {}
    for path, content in read_files(root, _ARCHIVE, (".mxl", ".musicxml")):
        match = _IDENTIFIER.search(Path(path).stem)
        if match:
            songs[match[0]] = RawLied(f"{SOURCE}-{match[0]}", content)
    if not songs:
        raise DataError(f"no OpenScore Lieder below {root}: unpack them or put {_ARCHIVE} there")
    return [songs[name] for name in sorted(songs)]


def read_song(raw: RawLied) -> Song:
    """Understand one score; the piano is the accompaniment, its chords are estimated.

    Raises:
        DataError: If it is damaged, not CC0, or lacks a voice with words or a piano.
    """
    score = read_musicxml(raw.content, raw.song_id)
    if not re.search(r"CC[0O]", score.rights):
        raise DataError(f"{raw.song_id}: no licence; its rights say '{score.rights}', not CC0")
    voice = next((part for part in score.parts if part.is_sung), None)
    players = [p for p in score.parts if not p.is_sung and not p.sound.startswith("voice.")]
    if voice is None or not players:
        raise DataError(f"{raw.song_id}: needs a voice with words and an instrument")
    performance = Performance(score)
    melody = _lowered(one_voice(performance.notes(voice)), voice)
    piano = tuple(
        sorted(
            (note for part in players for note in performance.notes(part)),
            key=lambda note: (note.start_seconds, note.pitch),
        )
    )
    if not melody or not piano:
        raise DataError(f"{raw.song_id}: the voice or the piano has no notes")
    return _song(raw.song_id, score, performance, melody, piano)


def _song(
    song_id: str, score: Score, performance: Performance, melody: Notes, piano: Notes
) -> Song:
    end = performance.duration_seconds
    signature = score.parts[0].measures[0]
    composer = score.creators.get("composer", "unknown composer")
    return Song(
        song_id=song_id,
        source=SOURCE,
        melody=melody,
        bridge=(),
        piano=piano,
        lead_sheet=LeadSheet(
            beats=performance.beats,
            downbeats=performance.downbeats,
            chords=estimate_chords(piano, performance.beats, performance.downbeats, end),
            key=estimate_key((*melody, *piano), signature.fifths, signature.mode),
            title=score.title,
        ),
        duration_seconds=end + 0.5,
        licence=LICENCE,
        attribution=f"{composer}: {score.title}; {ATTRIBUTION}",
        is_written_out=True,
    )


def _lowered(melody: Notes, voice: Part) -> Notes:
    """Men read the treble clef an octave below; the singer's own range settles the rest."""
    if voice.sound not in ("voice.tenor", "voice.baritone", "voice.male", "voice.bass"):
        return melody
    if sum(note.pitch for note in melody) <= 64 * len(melody):
        return melody
    return tuple(
        Note(n.start_seconds, n.end_seconds, n.pitch - 12, n.velocity, n.lyric) for n in melody
    )
