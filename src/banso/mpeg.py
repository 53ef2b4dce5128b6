"""How long an MP3 file is, if it does not say so itself.

Most MP3 files begin with a frame that tells the number of frames. Without it libsndfile guesses
from the size and the first frame's bit rate, and reads no more than it guessed: half a song, if
the bit rate varies. Walking from frame header to frame header gives the true length.

References:
    ISO/IEC 11172-3 (1993) and 13818-3 (1998), section 2.4.2.3: the frame header.
"""

import mmap
from pathlib import Path

# kbit/s of layer III by the header's index, for MPEG-1 and for the lower rates of MPEG-2 and 2.5.
_MPEG1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_HZ = (44_100, 48_000, 32_000)
# Version field of the header: what divides the rates of MPEG-1.
_RATE_DIVISOR = {3: 1, 2: 2, 0: 4}
_LAYER_III = 1
_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")


def untold_mp3_length(path: Path) -> int | None:
    """Return the number of samples of an MP3 file that does not tell it, else None.

    Args:
        path: A readable, non-empty file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        if data[:3] == b"ID3":
            # The tag's size is written in four bytes of seven bits each.
            position = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(data[6:10]))
        if any(tag in data[position : position + 200] for tag in _LENGTH_TAGS):
            return None
        num_samples = 0
        while frame := _frame(data[position : position + 4]):
            frame_bytes, frame_samples = frame
            position += frame_bytes
            if position > len(data):
                break
            num_samples += frame_samples
        return num_samples or None


def _frame(header: bytes) -> tuple[int, int] | None:
    """Return a frame's bytes and samples, or None where there is no layer III header."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    kbps_index, rate_index, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    if len(header) < 4 or bits >> 21 != 0x7FF or version not in _RATE_DIVISOR:
        return None
    if layer != _LAYER_III or kbps_index in (0, 15) or rate_index == 3:
        return None
    mpeg1 = version == 3
    kbps = (_MPEG1_KBPS if mpeg1 else _MPEG2_KBPS)[kbps_index]
    frame_samples = 1152 if mpeg1 else 576
    sample_rate = _MPEG1_HZ[rate_index] // _RATE_DIVISOR[version]
    return frame_samples // 8 * kbps * 1000 // sample_rate + padding, frame_samples
