"""MP3 files: how long they are, and whether their end is there.

Most MP3 files begin with a frame that tells the number of frames. Without it libsndfile guesses
from the size and the first frame's bit rate, and reads no more than it guessed: half a song, if
the bit rate varies. Walking from frame header to frame header gives the true length; a frame that
tells it, put in front, lets libsndfile read all. The walk also finds what was cut off before
libsndfile's decoder comes to it, which would write remarks of its own to the terminal.

References:
    ISO/IEC 11172-3 (1993) and 13818-3 (1998), section 2.4.2.3: the frame header.
    Windszus 1999, "MPEG Audio Frame Header", CodeProject 8295: the frames that tell the length.
"""

import io
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# kbit/s of layer III by the header's index, for MPEG-1 and for the lower rates of MPEG-2 and 2.5.
_MPEG1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_HZ = (44_100, 48_000, 32_000)
# Version field of the header: what divides the rates of MPEG-1.
_MPEG1 = 3
_RATE_DIVISOR = {_MPEG1: 1, 2: 2, 0: 4}
_LAYER_III = 1
_MONO = 3
# So many frames in a row are no accident in whatever else a file may hold, such as a picture.
_CERTAIN_FRAMES = 3
# The rate index of a made frame: 128 or 80 kbit/s, more than the length needs at any sample rate.
_MADE_KBPS_INDEX = 9
# What the flags of a frame that tells the length announce, each in four bytes.
_HAS_FRAMES, _HAS_BYTES = 1, 2
# Some writers count the frame that tells the length as well.
_SLACK_FRAMES = 1
_OTHER_KINDS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"caff", b".snd", b"riff")


@dataclass(frozen=True, slots=True)
class Mp3:
    """What a walk through an MP3 file found.

    Attributes:
        front: A frame that tells the length.
        start: Where the frames begin in front of which it belongs, bytes.
        is_cut: Whether the file ends within a frame, or before as many frames as it promises.
        is_damaged: Whether anything but frames lies between frames.
    """

    front: bytes
    start: int
    is_cut: bool
    is_damaged: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    num_bytes: int
    num_samples: int


@dataclass(frozen=True, slots=True)
class _Walk:
    num_frames: int
    is_cut: bool
    is_damaged: bool


def examine_mp3(path: Path) -> Mp3 | None:
    """Walk through an MP3 file; return None if the file is none.

    Args:
        path: A readable, non-empty file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = _first_frame(data, path)
        if first is None:
            return None
        frame = _frame(data[first : first + 4])
        assert frame is not None
        head = data[first : first + frame.num_bytes]
        told = _told_frames(head)
        start = first if told is None else first + frame.num_bytes
        walk = _walk(data, start)
        return Mp3(
            front=_front(head, told, walk.num_frames),
            start=start,
            is_cut=walk.is_cut or walk.num_frames + _SLACK_FRAMES < (told or 0),
            is_damaged=walk.is_damaged,
        )


def pretends_mp3(path: Path) -> bool:
    """Return whether a file without MP3 frames is called one, and begins like nothing else.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4)
    return path.suffix.lower() == ".mp3" and not head.startswith((*_OTHER_KINDS, b"\xff"))


class ToldMp3(io.RawIOBase):
    """An MP3 file read as if it began with a frame that tells its length.

    Args:
        path: The file.
        mp3: What a walk through it found.

    Raises:
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path, mp3: Mp3) -> None:
        super().__init__()
        self._front, self._skipped = mp3.front, mp3.start
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
        """Go to a position and return it, counted from the first byte of the front."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
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


def _first_frame(data: mmap.mmap, path: Path) -> int | None:
    """Return where the first frame begins, or None if this is no MP3 file."""
    position = 0
    if data[:3] == b"ID3":
        # The tag's size is written in four bytes of seven bits each, without the tag's own ten.
        position = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(data[6:10]))
    elif not (data[:1] == b"\xff" or pretends_mp3(path)):
        return None
    if data[position : position + 4] in _OTHER_KINDS:
        return None
    return _next_frame(data, position)


def _walk(data: mmap.mmap, start: int) -> _Walk:
    num_frames, position, is_damaged = 0, start, False
    while True:
        while frame := _frame(data[position : position + 4]):
            position += frame.num_bytes
            if position > len(data):
                return _Walk(num_frames, is_cut=True, is_damaged=is_damaged)
            num_frames += 1
        # Something else follows the frames, such as a tag, or lies between them.
        following = _next_frame(data, position)
        if following is None:
            return _Walk(num_frames, is_cut=False, is_damaged=is_damaged)
        position, is_damaged = following, is_damaged or num_frames > 0


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


def _tag_start(frame: bytes) -> int:
    """Return where a frame would tell the length: behind its header and side information."""
    bits = int.from_bytes(frame[:4], "big")
    mono, mpeg1, checksum = bits >> 6 & 3 == _MONO, bits >> 19 & 3 == _MPEG1, not bits >> 16 & 1
    return 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17)) + 2 * checksum


def _told_frames(frame: bytes) -> int | None:
    """Return how many frames a first frame promises to follow: 0 if only that some do."""
    tag = frame[_tag_start(frame) :]
    if tag[:4] in (b"Xing", b"Info"):
        return int.from_bytes(tag[8:12], "big") if tag[7] & _HAS_FRAMES else 0
    # The same idea by another maker, always at this place; libsndfile does not know it.
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    return None


def _front(head: bytes, told: int | None, num_frames: int) -> bytes:
    """Return a frame that tells the length: the file's own, if it does and is right.

    A file's own also tells how many samples the encoder has put at both ends. It loses the number
    of bytes, on which decoders remark if there are others, such as a tag's.
    """
    place = _tag_start(head)
    is_known = head[place : place + 4] in (b"Xing", b"Info")
    if told is None or not is_known or not 0 <= told - num_frames <= _SLACK_FRAMES:
        return _made_front(head, num_frames)
    flags = int.from_bytes(head[place + 4 : place + 8], "big")
    if not flags & _HAS_BYTES:
        return head
    plain = (flags & ~_HAS_BYTES).to_bytes(4, "big")
    fields = head[place + 8 : place + 12] + head[place + 16 :] + bytes(4)
    return head[: place + 4] + plain + fields


def _made_front(head: bytes, num_frames: int) -> bytes:
    """Return a silent frame, of the same kind as another, that tells the number of frames."""
    bits = int.from_bytes(head[:4], "big")
    # No checksum, the fixed rate, no padding; version, sample rate and channels as they are.
    bits = bits & ~(0xF << 12) & ~(1 << 9) | 1 << 16 | _MADE_KBPS_INDEX << 12
    header = bits.to_bytes(4, "big")
    told = b"Xing" + _HAS_FRAMES.to_bytes(4, "big") + num_frames.to_bytes(4, "big")
    frame = _frame(header)
    assert frame is not None
    return (header.ljust(_tag_start(header), b"\0") + told).ljust(frame.num_bytes, b"\0")
