"""From latents to sound: what is asked of a codec, and a song decoded by it, piece by piece."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from banso.audio import Samples, exactly, resample_blocks, resampled_length
from banso.errors import BundleError

_PIECE_FRAMES = 256


class LatentDecoder(Protocol):
    """Turns latents into sound piece by piece; all pieces together are frames x hop samples."""

    def add(self, latents: Samples) -> Samples:
        """Take [frames, channels], return what is ready, [2, samples], possibly none."""
        ...

    def finish(self) -> Samples:
        """Return the rest, [2, samples]."""
        ...


class Codec(Protocol):
    """What the pipeline needs of a codec.

    Attributes:
        sample_rate: Hz.
        hop_length: Samples per latent frame.
        num_channels: Numbers per latent frame.
        can_tune: Whether it can play at another concert pitch than 440 Hz.
    """

    @property
    def sample_rate(self) -> int: ...  # noqa: D102
    @property
    def hop_length(self) -> int: ...  # noqa: D102
    @property
    def num_channels(self) -> int: ...  # noqa: D102
    @property
    def can_tune(self) -> bool: ...  # noqa: D102
    def encode(self, waveform: Samples, *, tuning_cents: float = 0.0) -> Samples:
        """Return latents [frames, channels] of a waveform [2, samples] tuned so many cents high."""
        ...

    def decode_stream(self, *, tuning_cents: float = 0.0) -> LatentDecoder:
        """Begin to decode a song, some cents above A4 = 440 Hz if the codec can."""
        ...


def decode_latents(
    codec: Codec,
    latents: Iterable[Samples],
    num_samples: int,
    sample_rate: int,
    tuning_cents: float = 0.0,
) -> Iterator[Samples]:
    """Turn latents into sound as they come.

    Args:
        codec: Decodes them.
        latents: [frames, channels] each, together at least as long as the song.
        num_samples: Length of the result.
        sample_rate: Rate of the result, Hz; need not be the codec's.
        tuning_cents: How far above A4 = 440 Hz to play.

    Yields:
        float32 [2, samples], `num_samples` in all.

    Raises:
        BundleError: If the model produced NaN or infinity.
    """
    own_rate = codec.sample_rate
    num_own = resampled_length(num_samples, sample_rate, own_rate)
    own = exactly(_decoded(codec, latents, tuning_cents), num_own)
    return exactly(resample_blocks(own, own_rate, sample_rate, num_own), num_samples)


def _decoded(codec: Codec, latents: Iterable[Samples], tuning_cents: float) -> Iterator[Samples]:
    decoder = codec.decode_stream(tuning_cents=tuning_cents)
    for window in latents:
        # In pieces, so that one can be measured while the next is decoded.
        for start in range(0, len(window), _PIECE_FRAMES):
            yield _checked(decoder.add(window[start : start + _PIECE_FRAMES]))
    yield _checked(decoder.finish())


def _checked(block: Samples) -> Samples:
    if not np.isfinite(block).all():
        raise BundleError(
            "the model made samples that are not numbers; "
            "choose another seed, fewer steps or another bundle"
        )
    return block
