"""How long a recording will be, from its first bytes, while the rest is still to come.

WAV and FLAC say so at their beginning. What they say is checked again when all has come; whoever
understates is stopped by the limit in bytes.

References:
    "Multimedia Programming Interface and Data Specifications 1.0" (1991): RIFF chunks. RFC 9639:
    FLAC, section 8.2, streaminfo. EBU Tech 3306 (2009): RF64.
"""

# Some recorders write notes of a few thousand bytes before the sound.
HEAD_BYTES = 65_536
# Sizes that recorders write while they do not know the length yet; also RF64's.
_UNKNOWN_SIZE = 0x7FFF_F000
_STREAMINFO_END = 42


def told_seconds(head: bytes) -> float | None:
    """Return how long a recording says it is, or None if it does not say so here.

    Args:
        head: Its first bytes, as many as have come, up to `HEAD_BYTES`.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wave_seconds(head)
    if head[:4] == b"fLaC" and len(head) >= _STREAMINFO_END:
        packed = int.from_bytes(head[18:26], "big")
        sample_rate, num_samples = packed >> 44, packed & (2**36 - 1)
        return num_samples / sample_rate if sample_rate and num_samples else None
    return None


def _wave_seconds(head: bytes) -> float | None:
    start, bytes_per_second = 12, 0
    while start + 8 <= len(head):
        name, size = head[start : start + 4], int.from_bytes(head[start + 4 : start + 8], "little")
        if name == b"fmt ":
            bytes_per_second = int.from_bytes(head[start + 16 : start + 20], "little")
        if name == b"data":
            is_told = bytes_per_second > 0 and size < _UNKNOWN_SIZE
            return size / bytes_per_second if is_told else None
        start += 8 + size + size % 2
    return None
