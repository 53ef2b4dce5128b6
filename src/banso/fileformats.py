"""How samples are written in files, and rounded to be written: by libsndfile's names."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.audio import Samples

# A block as it is written in a file: whole numbers fill 32 bits from above.
AnySamples = Samples | NDArray[np.int32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How libsndfile writes a kind of file.

    Attributes:
        container: libsndfile's name of the container.
        subtype: libsndfile's name of the sample encoding.
        bits_per_sample: To foresee a file's size; 0 if compressed.
    """

    container: str
    subtype: str
    bits_per_sample: int = 0


# 24 bits: as much as a converter gives, and what a DAW takes without asking.
FORMATS = {
    "wav": FileFormat("WAV", "PCM_24", 24),
    "flac": FileFormat("FLAC", "PCM_24"),
    "mp3": FileFormat("MP3", "MPEG_LAYER_III"),
}
# How many bits an encoding of whole numbers keeps, and the type that holds each sample exactly;
# integers are left-justified in 32 bits, as libsndfile takes and gives them.
PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOAT_BITS = {"FLOAT": 32, "DOUBLE": 64}
EXACT_TYPES = {**dict.fromkeys(PCM_BITS, "int32"), "FLOAT": "float32", "DOUBLE": "float64"}


def encoding_of(container: str, subtype: str) -> FileFormat:
    """Return the format of a file by libsndfile's names of container and sample encoding."""
    bits = {**PCM_BITS, **_FLOAT_BITS}.get(subtype, 0)
    return FileFormat(container, subtype, bits if container == "WAV" else 0)


def to_integers(block: AnySamples, num_bits: int) -> NDArray[np.int32]:
    """Round samples to whole numbers of some bits, left-justified in 32; full scale clips.

    libsndfile would multiply by 2**23 - 1 but divides by 2**23 when it reads. With one scale for
    both, what was read is written back as it was, and parts that are rounded add up exactly.
    """
    if block.dtype == np.int32:
        return block.astype(np.int32, copy=False)
    top = 2.0 ** (num_bits - 1)
    whole = np.clip(np.rint(block.astype(np.float64) * top), -top, top - 1)
    return np.asarray(whole * 2.0 ** (32 - num_bits), dtype=np.int32)
