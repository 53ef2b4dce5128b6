"""From sound to latents, piece by piece; memory holds latents, no more than seconds of sound."""

from collections.abc import Iterable, Iterator

import numpy as np

from banso.audio import Samples
from banso.decoding import Codec

# The longest analysis window reaches 4 frames to either side and the shipped encoder 6; with 16, a
# piece is encoded as it would be within the whole.
CONTEXT_FRAMES = 16
_PIECE_FRAMES = 128


def encode_blocks(codec: Codec, blocks: Iterable[Samples], tuning_cents: float = 0.0) -> Samples:
    """Encode a recording that arrives in blocks.

    Args:
        codec: Encodes it.
        blocks: [2, samples] each, at the codec's rate.
        tuning_cents: How far above A4 = 440 Hz it is tuned. A decoder with the same tuning gives
            it back; what the denoiser sees is the same music at 440 Hz, as in training.

    Returns:
        float32 [frames, channels], as many frames as the samples need.
    """
    hop = codec.hop_length
    held = np.zeros((2, 0), np.float32)
    done = 0  # of the frames held, those already encoded
    rows = [np.zeros((0, codec.num_channels), np.float32)]
    for block in blocks:
        held = np.concatenate((held, block), axis=1)
        while held.shape[1] >= (done + _PIECE_FRAMES + CONTEXT_FRAMES) * hop:
            stop = done + _PIECE_FRAMES
            piece = held[:, : (stop + CONTEXT_FRAMES) * hop]
            rows.append(codec.encode(piece, tuning_cents=tuning_cents)[done:stop])
            forget = max(0, stop - CONTEXT_FRAMES)
            held, done = held[:, forget * hop :], stop - forget
    if held.shape[1] > done * hop:
        rows.append(codec.encode(held, tuning_cents=tuning_cents)[done:])
    return np.concatenate(rows)


def encode_between(
    codec: Codec, blocks: Iterable[Samples], first: int, last: int, tuning_cents: float = 0.0
) -> Samples:
    """Encode some frames of a recording as they would be encoded within the whole.

    Args:
        codec: Encodes them.
        blocks: The recording from its first sample on, [2, samples] each, at the codec's rate.
        first: First frame.
        last: One past the last frame; beyond the recording's end there is silence.
        tuning_cents: See `encode_blocks`.

    Returns:
        float32 [last - first, channels].
    """
    begin = max(0, first - CONTEXT_FRAMES)
    span = (begin * codec.hop_length, (last + CONTEXT_FRAMES) * codec.hop_length)
    heard = [np.zeros((2, 0), np.float32), *between(blocks, *span)]
    missing = span[1] - span[0] - sum(block.shape[1] for block in heard)
    padded = (*heard, np.zeros((2, missing), np.float32))
    return encode_blocks(codec, padded, tuning_cents)[first - begin : last - begin]


def between(blocks: Iterable[Samples], start: int, stop: int) -> Iterator[Samples]:
    """Yield what lies between two samples of a stream of blocks [channels, samples]."""
    position = 0
    for block in blocks:
        if position >= stop:
            return
        piece = block[:, max(0, start - position) : max(0, stop - position)]
        position += block.shape[1]
        if piece.shape[1]:
            yield piece
