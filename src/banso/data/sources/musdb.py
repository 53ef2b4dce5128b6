"""MUSDB18 and MUSDB18-HQ: 150 songs as voice, drums, bass and the rest.

MUSDB18 has one `.stem.mp4` per song with five streams (mixture, drums, bass, rest, voice), the HQ
version a folder of WAV files. Both are divided into `train` and `test`, which is kept.

References:
    Rafii et al. 2017, "The MUSDB18 corpus for music separation", doi:10.5281/zenodo.1117372.
"""

from collections.abc import Mapping
from pathlib import Path

from banso.data.sources.stems import RecordedSong, Stem, plain_name
from banso.errors import DataError

SOURCE = "musdb"
# The authors: for educational purposes only, not to be used commercially; see their page by track.
LICENCE = "LicenseRef-MUSDB18-non-commercial"
ATTRIBUTION = "MUSDB18 (Rafii et al. 2017)"

_FOLDERS = ("train", "test")
_STREAMS = {"drums": 1, "bass": 2, "harmony": 3}
_VOICE_STREAM = 4
_FILES = {"drums": "drums.wav", "bass": "bass.wav", "harmony": "other.wav"}


def read_corpus(root: Path) -> list[RecordedSong]:
    """Find all songs of either version.

    Args:
        root: Folder that holds `train` and `test`, or one of them.

    Raises:
        DataError: If there is no song in that layout.
    """
    songs = []
    for name in _FOLDERS:
        folder = root / name
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            split = "test" if name == "test" else ""
            if path.name.endswith(".stem.mp4"):
                parts = {part: (Stem(path, stream),) for part, stream in _STREAMS.items()}
                title = path.name.removesuffix(".stem.mp4")
                songs.append(_song(title, (Stem(path, _VOICE_STREAM),), parts, split))
            elif (path / "vocals.wav").is_file():
                parts = {
                    part: (Stem(path / file),)
                    for part, file in _FILES.items()
                    if (path / file).is_file()
                }
                songs.append(_song(path.name, (Stem(path / "vocals.wav"),), parts, split))
    if not songs:
        raise DataError(
            f"no MUSDB18 in {root}: expected train/ and test/ with .stem.mp4 files, or with "
            "folders that hold vocals.wav, drums.wav, bass.wav and other.wav"
        )
    return songs


def _song(
    title: str, vocals: tuple[Stem, ...], parts: Mapping[str, tuple[Stem, ...]], split: str
) -> RecordedSong:
    return RecordedSong(
        song_id=f"{SOURCE}-{plain_name(title)}",
        source=SOURCE,
        vocals=vocals,
        parts=parts,
        licence=LICENCE,
        attribution=f"{title}; {ATTRIBUTION}",
        split=split,
    )
