"""Does a file end before its own header says so?

libsndfile quietly reads what is left of a WAV, AIFF or Ogg file that was cut off, for example by
an aborted upload. A singer would get half a song back without a word, so banso looks for itself.
FLAC and MP3 need no look here: they promise a number of samples, and reading finds fewer; of MP3
files that promise none see `banso.mpeg`.

References:
    "Multimedia Programming Interface and Data Specifications 1.0" (1991): RIFF chunks.
    EBU Tech 3306 (2009): RF64. Apple, "AIFF 1.3" (1989): FORM. RFC 3533: Ogg page flags.
"""

from pathlib import Path
from typing import BinaryIO

# Sizes that recorders write while they do not know the length yet; also the 32-bit field of RF64.
_UNKNOWN_SIZES = range(0x7FFF_F000, 0x1_0000_0000)
# Some writers count a header or a pad byte too many; that is a few samples, not a lost ending.
_SLACK_BYTES = 1024
# An Ogg page has at most 65 307 bytes.
_OGG_TAIL_BYTES = 66_000
_OGG_END_OF_STREAM = 4


def is_truncated(path: Path) -> bool:
    """Return whether a WAV, RF64, AIFF or Ogg file lacks a part of its end.

    Files of other kinds, and headers that do not tell a length, count as complete.

    Args:
        path: A readable file.

    Raises:
        OSError: If it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            return _wave_end(file, size) > size + _SLACK_BYTES
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return 8 + int.from_bytes(head[4:8], "big") > size + _SLACK_BYTES
        if head[:4] == b"OggS":
            file.seek(max(0, size - _OGG_TAIL_BYTES))
            tail = file.read()
            last_page = tail.rfind(b"OggS")
            return len(tail) < last_page + 6 or not tail[last_page + 5] & _OGG_END_OF_STREAM
    return False


def _wave_end(file: BinaryIO, size: int) -> int:
    """Return where the sample data of a WAV file should end, or 0 if the header does not tell."""
    long_data_size = 0
    while len(header := file.read(8)) == 8:
        name, chunk_size = header[:4], int.from_bytes(header[4:], "little")
        start = file.tell()
        if name == b"ds64":
            long_data_size = int.from_bytes(file.read(16)[8:16], "little")
        if name == b"data":
            if chunk_size in _UNKNOWN_SIZES:
                return start + long_data_size
            return start + chunk_size
        if start + chunk_size > size:
            return 0
        file.seek(start + chunk_size + chunk_size % 2)
    return 0
