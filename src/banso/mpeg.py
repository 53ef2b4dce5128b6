"""MP3 files that do not say how long they are.

Most MP3 files begin with a frame that tells the number of frames. Without it libsndfile guesses
from the size and the first frame's bit rate, and reads no more than it guessed: half a song, if
the bit rate varies. Walking from frame header to frame header gives the true length, and a frame
that tells it, put in front, lets libsndfile read all.

References:
    ISO/IEC 11172-3 (1993) and 13818-3 (1998), section 2.4.2.3: the frame header.
    Windszus 1999, "MPEG Audio Frame Header", CodeProject 8295: the frame that tells the length.
"""

import io
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

# kbit/s of layer III by the header's index, for MPEG-1 and for the lower rates of MPEG-2 and 2.5.
_MPEG1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_HZ = (44_100, 48_000, 32_000)
# Version field of the header: what divides the rates of MPEG-1.
_MPEG1 = 3
_RATE_DIVISOR = {_MPEG1: 1, 2: 2, 0: 4}
_LAYER_III = 1
_MONO = 3
_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
_LENGTH_TAG_END = 200
# So many frames in a row are no accident in whatever else a file may hold, such as a picture.
_CERTAIN_FRAMES = 3
# The rate index of a made frame: 128 or 80 kbit/s, more than the length needs at any sample rate.
_MADE_KBPS_INDEX = 9


@dataclass(frozen=True, slots=True)
class UntoldMp3:
    """What a walk through an MP3 file without a length found.

    Attributes:
        start: Position of the first frame, bytes.
        header: That frame's header, 4 bytes.
        num_frames: Complete frames.
        num_samples: Samples per channel in them.
        is_cut: Whether the file ends within a frame.
    """

    start: int
    header: bytes
    num_frames: int
    num_samples: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    num_bytes: int
    num_samples: int


def find_untold_mp3(path: Path) -> UntoldMp3 | None:
    """Walk through an MP3 file if it does not tell its length, else return None.

    Args:
        path: A readable, non-empty file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = _next_frame(data, _id3_bytes(data))
        if start is None:
            return None
        if any(tag in data[start : start + _LENGTH_TAG_END] for tag in _LENGTH_TAGS):
            return None
        return _walk(data, start)


class ToldMp3(io.RawIOBase):
    """An MP3 file read as if it began with a frame that tells its length.

    Args:
        path: The file.
        untold: What a walk through it found.

    Raises:
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path, untold: UntoldMp3) -> None:
        super().__init__()
        self._front = _length_frame(untold.header, untold.num_frames)
        self._skipped = untold.start
        self._file = path.open("rb")
        self._size = len(self._front) + os.fstat(self._file.fileno()).st_size - self._skipped
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position and return it, counted from the made frame's first byte."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: "Buffer") -> int:
        """Fill a buffer with the next bytes, as far as there are any; return how many."""
        view = memoryview(buffer).cast("B")
        piece = self._front[self._position : self._position + len(view)]
        if len(piece) < len(view):
            behind = self._position + len(piece) - len(self._front)
            self._file.seek(self._skipped + behind)
            piece += self._file.read(len(view) - len(piece))
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _id3_bytes(data: mmap.mmap) -> int:
    """Return the size of the ID3 tag at the beginning."""
    if data[:3] != b"ID3":
        return 0
    # Written in four bytes of seven bits each, without the tag's own ten.
    return 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(data[6:10]))


def _walk(data: mmap.mmap, start: int) -> UntoldMp3:
    num_frames = num_samples = 0
    is_cut = False
    place: int | None = start
    while place is not None:
        position = place
        while frame := _frame(data[position : position + 4]):
            position += frame.num_bytes
            if is_cut := position > len(data):
                break
            num_frames += 1
            num_samples += frame.num_samples
        # Something else lies between frames or follows them: damage, or a tag.
        place = None if is_cut else _next_frame(data, position)
    return UntoldMp3(start, data[start : start + 4], num_frames, num_samples, is_cut)


def _next_frame(data: mmap.mmap, position: int) -> int | None:
    """Return where the next frame begins, at the position or behind it, or None."""
    while (position := data.find(b"\xff", position)) >= 0:
        if _is_certain(data, position):
            return position
        position += 1
    return None


def _is_certain(data: mmap.mmap, position: int) -> bool:
    for _ in range(_CERTAIN_FRAMES):
        frame = _frame(data[position : position + 4])
        if frame is None:
            return False
        position += frame.num_bytes
        if position >= len(data):
            break
    return True


def _frame(header: bytes) -> _Frame | None:
    """Return the frame that a header announces, or None where there is no layer III header."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    kbps_index, rate_index, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    if len(header) < 4 or bits >> 21 != 0x7FF or version not in _RATE_DIVISOR:
        return None
    if layer != _LAYER_III or kbps_index in (0, 15) or rate_index == 3:
        return None
    kbps = (_MPEG1_KBPS if version == _MPEG1 else _MPEG2_KBPS)[kbps_index]
    num_samples = 1152 if version == _MPEG1 else 576
    sample_rate = _MPEG1_HZ[rate_index] // _RATE_DIVISOR[version]
    return _Frame(num_samples // 8 * kbps * 1000 // sample_rate + padding, num_samples)


def _length_frame(header: bytes, num_frames: int) -> bytes:
    """Return a silent frame, of the same kind as another, that tells the number of frames."""
    bits = int.from_bytes(header, "big")
    # No checksum, the fixed rate, no padding; version, sample rate and channels as they are.
    bits = bits & ~(0xF << 12) & ~(1 << 9) | 1 << 16 | _MADE_KBPS_INDEX << 12
    mono, mpeg1 = bits >> 6 & 3 == _MONO, bits >> 19 & 3 == _MPEG1
    side_bytes = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    # The flag says that the number of frames follows, and nothing else.
    told = b"Xing" + (1).to_bytes(4, "big") + num_frames.to_bytes(4, "big")
    front = bits.to_bytes(4, "big")
    frame = _frame(front)
    assert frame is not None
    return (front + bytes(side_bytes) + told).ljust(frame.num_bytes, b"\0")
