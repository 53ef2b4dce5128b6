"""OpenEWLD: lead sheets of songs in the public domain, melody with chord symbols as MusicXML.

The corpus may be an unpacked folder or the `OpenEWLD.tar.xz` archive. There is no accompaniment in
it; the arranger writes one from the symbols. Tempi are rarely given and then follow the melody.

References:
    Simonetta et al. 2018, "Symbolic music similarity through a graph-based representation"; the
    set is OpenEWLD, doi:10.5281/zenodo.4332855.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from banso.chords import NO_CHORD
from banso.data.chordsymbols import UNKNOWN_CHORD
from banso.data.harmony import estimate_key, spans_between
from banso.data.musicxml import read_musicxml
from banso.data.scoretime import Performance, one_voice
from banso.data.song import Song
from banso.data.sources.archives import read_files
from banso.errors import DataError
from banso.leadsheet import LeadSheet

SOURCE = "openewld"
LICENCE = "MIT"
ATTRIBUTION = "OpenEWLD (Simonetta 2018), score in the public domain"

_ARCHIVE = "OpenEWLD*.tar.xz"


@dataclass(frozen=True, slots=True)
class RawLeadSheet:
    """One score file, not yet understood.

    Attributes:
        song_id: Such as `openewld-1f0c2a9b`, from the place of the file in the corpus.
        authors: Of the song, from the name of the folder.
        content: The file.
    """

    song_id: str
    authors: str
    content: bytes

    def read(self) -> Song:
        """Understand the score.

        Raises:
            DataError: If it is damaged or lacks a melody or chord symbols.
        """
        return read_song(self)


def read_corpus(root: Path) -> list[RawLeadSheet]:
    """Load all lead sheets below a folder, or in the corpus's archive.

    Args:
        root: A folder that holds the corpus and its LICENSE, or its archive, or the archive.

    Raises:
        DataError: If there is no lead sheet, or no licence beside them.
    """
    songs, licensed = [], False
    for path, content in read_files(root, _ARCHIVE, (".mxl", "license")):
        place = PurePosixPath(path)
        if place.suffix != ".mxl":
            licensed = licensed or b"MIT License" in content
            continue
        # The folders name authors and title; they do so whatever lies above.
        name = "/".join(place.parts[-3:-1])
        digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:8]
        authors = place.parts[-3].replace("_", " ") if len(place.parts) > 2 else "unknown"
        songs.append(RawLeadSheet(f"{SOURCE}-{digest}", authors, content))
    if not songs:
        raise DataError(f"no OpenEWLD below {root}: unpack it or put {_ARCHIVE} there")
    if not licensed:
        raise DataError(f"OpenEWLD below {root} has no LICENSE file with the MIT licence beside it")
    return sorted(songs, key=lambda song: song.song_id)


def read_song(raw: RawLeadSheet) -> Song:
    """Understand one lead sheet.

    Raises:
        DataError: If it is damaged or lacks a melody or chord symbols.
    """
    score = read_musicxml(raw.content, raw.song_id)
    performance = Performance(score)
    part = score.parts[0]
    melody = one_voice(performance.notes(part))
    symbols = performance.chords(part)
    if not melody or not any(name not in (NO_CHORD, UNKNOWN_CHORD) for _, name in symbols):
        raise DataError(f"{raw.song_id}: '{score.title}' lacks a melody or chord symbols")
    end = performance.duration_seconds
    signature = part.measures[0]
    return Song(
        song_id=raw.song_id,
        source=SOURCE,
        melody=melody,
        bridge=(),
        piano=(),
        lead_sheet=LeadSheet(
            beats=performance.beats,
            downbeats=performance.downbeats,
            chords=spans_between(symbols, end),
            key=estimate_key(melody, signature.fifths, signature.mode),
            title=score.title,
        ),
        duration_seconds=end + 0.5,
        licence=LICENCE,
        attribution=f"{raw.authors}: {score.title}; {ATTRIBUTION}",
    )
