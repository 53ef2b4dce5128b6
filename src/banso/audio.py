"""Sound as arrays: the immutable `Audio`, streams of blocks, resampling and channels.

A *block* is a piece of waveform, float32 [channels, samples]. Everything that may be hours long
travels as an iterator of blocks, so that memory does not grow with the length of a song.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from banso.errors import AudioError

Samples = NDArray[np.float32]

# Outside of this range a file is more likely mislabelled than sung, and resampling it to 44.1 kHz
# would multiply its size by more than ten.
SAMPLE_RATE_RANGE = (4_000, 768_000)
# One second at 44.1 kHz and stereo is 350 kB: large enough for numpy, small beside a model.
BLOCK_SECONDS = 1.0


class Recording(Protocol):
    """Something that can be listened to several times, block by block.

    Attributes:
        name: What to call it in a message.
        sample_rate: Its own rate, Hz.
        num_channels: Its own number of channels.
        num_samples: Its length at its own rate.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def sample_rate(self) -> int: ...  # noqa: D102
    @property
    def num_channels(self) -> int: ...  # noqa: D102
    @property
    def num_samples(self) -> int: ...  # noqa: D102
    def blocks(self, sample_rate: int | None = None) -> Iterator[Samples]:
        """Yield the whole recording, from its first sample, as blocks [channels, samples]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A waveform and its rate, checked on construction and never changed afterwards.

    Attributes:
        samples: float32 [channels, samples], full scale ±1, read-only.
        sample_rate: Hz.

    Raises:
        AudioError: If the samples are not [channels, samples], are empty, hold NaN or infinity, or
            the rate lies outside 4 to 768 kHz.
    """

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32)
        if samples.ndim != 2:
            raise AudioError(f"samples must be [channels, samples]; they have {samples.ndim} axes")
        if samples.size == 0:
            raise AudioError("the recording holds no samples")
        check_finite(samples, "the recording")
        check_sample_rate(self.sample_rate, "the recording")
        if samples.flags.writeable:
            samples = samples.copy()
            samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return "the recording"

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        """Number of samples in each channel."""
        return int(self.samples.shape[1])

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate

    def blocks(self, sample_rate: int | None = None) -> Iterator[Samples]:
        """Yield the waveform as blocks [channels, samples], resampled if a rate is given."""
        size = max(1, round(self.sample_rate * BLOCK_SECONDS))
        pieces = (self.samples[:, i : i + size] for i in range(0, self.num_samples, size))
        target = self.sample_rate if sample_rate is None else sample_rate
        return resample_blocks(pieces, self.sample_rate, target, self.num_samples)

    def resampled(self, sample_rate: int) -> "Audio":
        """Return the same sound at another rate, `resampled_length` samples long."""
        if sample_rate == self.sample_rate:
            return self
        check_sample_rate(sample_rate, "the wanted recording")
        return collect(self.blocks(sample_rate), sample_rate)

    def to_mono(self) -> "Audio":
        """Return the mean of the channels as a single channel."""
        if self.num_channels == 1:
            return self
        return Audio(self.samples.mean(axis=0, keepdims=True, dtype=np.float32), self.sample_rate)

    def to_stereo(self) -> "Audio":
        """Return two channels: a mono recording on both, more than two as their mean on both."""
        if self.num_channels == 2:
            return self
        return Audio(np.repeat(self.to_mono().samples, 2, axis=0), self.sample_rate)


def check_finite(samples: Samples, name: str) -> None:
    """Raise an AudioError that names the recording if a sample is NaN or infinite."""
    # A finite sum of squares proves every sample finite, without an array of flags; an infinite one
    # may be an overflow, so only then look at each sample.
    flat = samples.reshape(-1)
    with np.errstate(over="ignore"):
        energy = np.dot(flat, flat)
    if not np.isfinite(energy) and not np.isfinite(flat).all():
        raise AudioError(f"{name} holds samples that are not numbers (NaN or infinity)")


def check_sample_rate(sample_rate: int, name: str) -> None:
    """Raise an AudioError that names the recording if its rate is out of range."""
    lowest, highest = SAMPLE_RATE_RANGE
    if not lowest <= sample_rate <= highest:
        raise AudioError(
            f"{name} has a sample rate of {sample_rate} Hz; banso takes {lowest} to {highest} Hz"
        )


def resampled_length(num_samples: int, own_rate: int, target_rate: int) -> int:
    """Return how many samples a recording has at another rate: rounded half up, at least 1."""
    return max(1, (2 * num_samples * target_rate + own_rate) // (2 * own_rate))


def resample_blocks(
    blocks: Iterable[Samples], own_rate: int, target_rate: int, num_samples: int
) -> Iterator[Samples]:
    """Change the rate of a stream of blocks.

    Args:
        blocks: The recording, [channels, samples] each.
        own_rate: Their rate, Hz.
        target_rate: The wanted rate, Hz.
        num_samples: How many samples all blocks have together.

    Yields:
        Blocks at the wanted rate, of any length from 1 up, with exactly
        `resampled_length(num_samples, own_rate, target_rate)` samples in all.
    """
    if own_rate == target_rate:
        yield from blocks
        return
    # soxr may end a sample early or late; the promise of an exact length is ours.
    length = resampled_length(num_samples, own_rate, target_rate)
    yield from exactly(_resampled(blocks, own_rate, target_rate), length)


def exactly(blocks: Iterable[Samples], num_samples: int) -> Iterator[Samples]:
    """Yield blocks [channels, samples] cut or padded with zeros to a total length.

    Blocks without samples are left out; at least one block must come if any sample is wanted.
    """
    remaining = num_samples
    block = None
    for block in blocks:
        piece = block[:, :remaining]
        remaining -= piece.shape[1]
        if piece.shape[1]:
            yield piece
    if remaining and block is not None:
        yield np.zeros((block.shape[0], remaining), np.float32)


def summed(sources: Iterable[Iterator[Samples]]) -> Iterator[Samples]:
    """Add up streams of blocks [channels, samples], cut at the same places."""
    for blocks in zip(*sources, strict=True):
        total = blocks[0].copy()
        for block in blocks[1:]:
            total += block
        yield total


def collect(blocks: Iterable[Samples], sample_rate: int) -> Audio:
    """Join blocks [channels, samples] into one `Audio`.

    Raises:
        AudioError: If there are no samples, or some are not finite.
    """
    pieces = list(blocks)
    if not pieces:
        raise AudioError("the recording holds no samples")
    samples = np.concatenate(pieces, axis=1)
    samples.flags.writeable = False
    return Audio(samples, sample_rate)


def _resampled(blocks: Iterable[Samples], own_rate: int, target_rate: int) -> Iterator[Samples]:
    stream = None
    num_channels = 1
    for block in blocks:
        if stream is None:
            num_channels = block.shape[0]
            stream = soxr.ResampleStream(own_rate, target_rate, num_channels, dtype="float32")
        yield _chunk(stream, block)
    if stream is not None:
        yield _chunk(stream, np.zeros((num_channels, 0), np.float32), last=True)


def _chunk(stream: soxr.ResampleStream, block: Samples, last: bool = False) -> Samples:
    """Feed [channels, samples] to a stream that wants [samples] or [samples, channels]."""
    frames = np.ascontiguousarray(block.T)
    out = stream.resample_chunk(frames[:, 0] if block.shape[0] == 1 else frames, last=last)
    return np.ascontiguousarray(out.reshape(len(out), block.shape[0]).T, dtype=np.float32)
