"""MoisesDB: 240 songs, each a folder with `data.json` and its stems by kind of instrument.

References:
    Pereira et al. 2023, "MoisesDB: A dataset for source separation beyond 4-stems", ISMIR.
"""

import json
from pathlib import Path

from banso.data.sources.stems import RecordedSong, Stem, by_part, plain_name
from banso.errors import DataError

SOURCE = "moisesdb"
LICENCE = "CC-BY-NC-SA-4.0"
ATTRIBUTION = "MoisesDB (Pereira et al., ISMIR 2023)"

_INDEX = "data.json"
_VOICE = "vocals"


def read_corpus(root: Path) -> list[RecordedSong]:
    """Find all songs with a voice and a band.

    Args:
        root: Folder that holds the songs' folders at any depth.

    Raises:
        DataError: If there is none, or an index is broken.
    """
    songs = []
    for index in sorted(root.rglob(_INDEX)):
        song = _read_song(index)
        if song.vocals and song.parts:
            songs.append(song)
    if not songs:
        raise DataError(f"no MoisesDB below {root}: expected folders with {_INDEX} and stems")
    return songs


def _read_song(index: Path) -> RecordedSong:
    folder = index.parent
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        stems = [
            (str(stem["stemName"]), folder / stem["stemName"] / f"{track['id']}.{suffix}")
            for stem in content["stems"]
            for track in stem["tracks"]
            for suffix in (str(track.get("extension", "wav")),)
        ]
        title = f"{content.get('artist', 'unknown')}: {content.get('song', folder.name)}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"cannot read {index}: {error}") from error
    inside = folder.resolve()
    for _, path in stems:
        if not path.resolve().is_relative_to(inside):
            raise DataError(f"{index} names {path}, which is outside its folder")
    return RecordedSong(
        song_id=f"{SOURCE}-{plain_name(folder.name)}",
        source=SOURCE,
        vocals=tuple(Stem(path) for name, path in stems if name == _VOICE),
        parts=by_part((name, Stem(path)) for name, path in stems if name != _VOICE),
        licence=LICENCE,
        attribution=f"{title}; {ATTRIBUTION}",
    )
