"""MedleyDB: multitracks, each song a folder with stems and a YAML file that says what is on them.

References:
    Bittner et al. 2014, "MedleyDB: A multitrack dataset for annotation-intensive MIR research",
    ISMIR.
"""

import re
from pathlib import Path

from banso.data.sources.stems import RecordedSong, Stem, by_part, plain_name
from banso.errors import DataError

SOURCE = "medleydb"
LICENCE = "CC-BY-NC-SA-4.0"
ATTRIBUTION = "MedleyDB (Bittner et al., ISMIR 2014)"

_METADATA = "_METADATA.yaml"
# The first line of a stem's block, and the two of its fields that matter.
_STEM = re.compile(r"^\s+S\d+:\s*$")
_FIELD = re.compile(r"^\s+(instrument|filename):\s*(.*?)\s*$")
_VOICES = re.compile(r"singer|vocal|rapper|choir|voice", re.IGNORECASE)


def read_corpus(root: Path) -> list[RecordedSong]:
    """Find all songs with a voice and a band.

    Args:
        root: Folder that holds the songs' folders and their `*_METADATA.yaml`, at any depth.

    Raises:
        DataError: If there is no such song.
    """
    songs = []
    for metadata in sorted(root.rglob(f"*{_METADATA}")):
        title = metadata.name.removesuffix(_METADATA)
        stems = list(_stems(metadata, title, root))
        vocals = tuple(stem for instrument, stem in stems if _VOICES.search(instrument))
        band = [(name, stem) for name, stem in stems if not _VOICES.search(name)]
        if vocals and band:
            songs.append(
                RecordedSong(
                    song_id=f"{SOURCE}-{plain_name(title)}",
                    source=SOURCE,
                    vocals=vocals,
                    parts=by_part(band),
                    licence=LICENCE,
                    attribution=f"{title.replace('_', ' ')}; {ATTRIBUTION}",
                )
            )
    if not songs:
        raise DataError(
            f"no MedleyDB song with a singer below {root}: expected folders with *{_METADATA} "
            "and *_STEMS"
        )
    return songs


def _stems(metadata: Path, title: str, root: Path) -> list[tuple[str, Stem]]:
    """Instrument and file of each stem that is there.

    The metadata may lie beside the audio or in a folder of their own, as in later versions.
    """
    text = metadata.read_text(encoding="utf-8", errors="replace")
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        field = _FIELD.match(line)
        if _STEM.match(line):
            found.append({})
        elif field and found:
            # Fields of the raw takes come later and must not replace those of the stem.
            found[-1].setdefault(field[1], field[2].strip("'\""))
    folders = [metadata.parent / f"{title}_STEMS", *root.rglob(f"{title}_STEMS")]
    folder = next((place for place in folders if place.is_dir()), None)
    if folder is None:
        return []
    return [
        (entry.get("instrument", ""), Stem(folder / Path(entry["filename"]).name))
        for entry in found
        if "filename" in entry and (folder / Path(entry["filename"]).name).is_file()
    ]
