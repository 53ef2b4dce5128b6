"""Recorded songs as stems: which files are the voice, which the parts of the band, whose rights.

The generic layout is a folder per song with one audio file per stem; a stem is voice or a part of
the band by the words in its name. Corpora with a layout of their own have modules beside this one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from banso.conditioning import PART_NAMES
from banso.errors import DataError

SOURCE = "stems"
AUDIO_SUFFIXES = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".aif", ".aiff")
VOICE_WORDS = ("vocal", "vox", "voice", "singer", "sung", "choir", "rap")

# The first part with a word in the name takes the stem; what has none is extra.
_PART_WORDS = {
    "bass": ("bass", "808", "sub"),
    "drums": (
        "drum", "kick", "snare", "hat", "hh", "clap", "perc", "cymbal", "crash", "ride", "tom",
        "beat", "shaker", "tambourine", "conga", "tops", "break", "sn",
    ),
    "harmony": (
        "piano", "key", "guitar", "gtr", "chord", "pad", "organ", "rhodes", "synth", "string",
        "mallet", "pluck", "arp", "harmony", "other", "accordion",
    ),
}  # fmt: skip
_MIXES = re.compile(r"\b(mix|mixture|master|instrumental|accompaniment)\b", re.IGNORECASE)
_LICENCES = {
    r"CC0 1\.0|Creative Commons Zero": "CC0-1.0",
    r"Attribution-NonCommercial-ShareAlike 4\.0|CC BY-NC-SA 4\.0": "CC-BY-NC-SA-4.0",
    r"Attribution-ShareAlike 4\.0|CC BY-SA 4\.0": "CC-BY-SA-4.0",
    r"Attribution-NonCommercial 4\.0|CC BY-NC 4\.0": "CC-BY-NC-4.0",
    r"Attribution 4\.0|CC BY 4\.0": "CC-BY-4.0",
    r"Attribution 3\.0|CC BY 3\.0": "CC-BY-3.0",
    r"MIT License": "MIT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stem:
    """One sound of a song: a file, and which of its audio streams."""

    path: Path
    stream: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedSong:
    """A song as files, not yet decoded.

    Attributes:
        song_id: Corpus and name, for example `musdb-A_Song`.
        source: Name of the corpus.
        vocals: Stems with singing.
        parts: Stems of each part of `PART_NAMES` that the band has.
        licence: SPDX name, or `LicenseRef-…` for one of the song's own.
        attribution: Whom to name.
        split: Where the corpus itself puts the song; empty to let its name decide.
    """

    song_id: str
    source: str
    vocals: tuple[Stem, ...]
    parts: Mapping[str, tuple[Stem, ...]]
    licence: str
    attribution: str
    split: str = ""

    @property
    def name(self) -> str:
        """What the user is told if the song is rejected."""
        return self.song_id


def read_corpus(
    root: Path, *, licence: str | None = None, attribution: str | None = None, source: str = SOURCE
) -> list[RecordedSong]:
    """Find songs: `root` itself, if it holds stems with a voice, or the folders in it.

    Args:
        root: Folder of a song, or of folders of songs.
        licence: For all of them; None to read it from LICENSE files, of the song or above it.
        attribution: Whom to name for all of them; None for the folders' names.
        source: Name of the corpus in manifests.

    Raises:
        DataError: If there is no song with a voice and a band, or one has no licence.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder; name one of stems, or of folders of stems")
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    songs = []
    for folder in folders:
        files = audio_files(folder)
        voices = [path for path in files if is_voice(path.stem)]
        band = [path for path in files if path not in voices and not _MIXES.search(path.stem)]
        if voices and band:
            songs.append(
                RecordedSong(
                    song_id=f"{source}-{plain_name(folder.name)}",
                    source=source,
                    vocals=tuple(Stem(path) for path in voices),
                    parts=by_part((path.stem, Stem(path)) for path in band),
                    licence=licence or find_licence(folder, root),
                    attribution=attribution or folder.name,
                )
            )
    if not songs:
        raise DataError(
            f"no songs in {root}: expected folders of stems, the voice's with one of the words "
            f"{', '.join(VOICE_WORDS)} in its name"
        )
    return songs


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files of a folder, by name."""
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in AUDIO_SUFFIXES]


def is_voice(name: str) -> bool:
    """Whether a stem's name says that somebody sings on it."""
    return any(word in name.lower() for word in VOICE_WORDS)


def part_of(name: str) -> str:
    """Return the part of `PART_NAMES` that a stem's or instrument's name belongs to."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    for part, beginnings in _PART_WORDS.items():
        if any(word.startswith(beginnings) for word in words):
            return part
    return PART_NAMES[-1]


def by_part(named: Iterable[tuple[str, Stem]]) -> dict[str, tuple[Stem, ...]]:
    """Sort stems into parts by their names."""
    parts: dict[str, list[Stem]] = {}
    for name, stem in named:
        parts.setdefault(part_of(name), []).append(stem)
    return {name: tuple(parts[name]) for name in PART_NAMES if name in parts}


def plain_name(name: str) -> str:
    """Return a name that is safe as a folder on every system."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "song"


def find_licence(folder: Path, root: Path) -> str:
    """Return the licence that lies beside a song, in the corpus's folder or one above it.

    Raises:
        DataError: If there is no licence file, or one whose licence is not known.
    """
    for place in _and_above(folder, root):
        for path in sorted(place.glob("*")):
            if path.is_file() and re.match(r"(licen[cs]e|copying)", path.name, re.IGNORECASE):
                text = path.read_text(encoding="utf-8", errors="replace")
                for pattern, name in _LICENCES.items():
                    if re.search(pattern, text):
                        return name
                raise DataError(f"{path} is a licence that is not known; name it with --licence")
    raise DataError(f"{folder.name} has no licence: put a LICENSE file there or give --licence")


def _and_above(folder: Path, root: Path) -> Sequence[Path]:
    return list(dict.fromkeys((folder, root, root.resolve().parent)))
