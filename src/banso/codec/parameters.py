"""What one codec frame holds: tones, noise and stereo image as level-compressed numbers.

A frame spans `HOP_LENGTH` samples (46 ms). Per frame there are

- `tone_level` [2, 96]: amplitude of the strongest partial in each semitone C1-B8, twice a frame;
- `tone_cents` [96]: its distance from the equal-tempered pitch;
- `noise_level` [4, 32]: root mean square of what is no tone, in 32 bands, four times a frame;
- `pan` [16] and `side_level` [16]: the part of the side signal that follows the mid signal, and
  the level of the part that does not.

Levels are compressed by a power law close to loudness (Stevens 1957: loudness grows with about
the 0.6th power of pressure; 0.3 leaves more room to quiet sounds), so that a squared error weighs
loud sounds more, and a small error near silence stays inaudible: 0.05 expands to -87 dB.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
HOP_LENGTH = 2_048
NUM_TONES = 96
LOWEST_MIDI = 24  # C1, 32.7 Hz; the highest is B8, 7 902 Hz
TONES_PER_FRAME = 2
NUM_NOISE_BANDS = 32
NOISE_PER_FRAME = 4
NUM_STEREO_BANDS = 16
COMPRESSION = 0.3
MAX_CENTS = 50.0
SYNTHESIS_HOP = HOP_LENGTH // NOISE_PER_FRAME

SIZES = (
    TONES_PER_FRAME * NUM_TONES,
    NUM_TONES,
    NOISE_PER_FRAME * NUM_NOISE_BANDS,
    NUM_STEREO_BANDS,
    NUM_STEREO_BANDS,
)
NUM_PARAMETERS = sum(SIZES)
#: Where each kind lies in a packed frame: tone level and cents, noise level, pan, side level.
PARAMETER_GROUPS = tuple(slice(sum(SIZES[:i]), sum(SIZES[: i + 1])) for i in range(len(SIZES)))


def tone_hz() -> NDArray[np.float64]:
    """Equal-tempered frequencies of the 96 semitones [tones], A4 = 440 Hz."""
    midi = LOWEST_MIDI + np.arange(NUM_TONES)
    return np.asarray(440.0 * 2.0 ** ((midi - 69) / 12))


def band_edges_hz(num_bands: int, minimum_hz: float) -> NDArray[np.float64]:
    """Edges [bands + 1] from 0 Hz to 20 kHz, equally wide on the ERB scale or at least a minimum.

    Args:
        num_bands: How many bands.
        minimum_hz: Least width of a band, so that a short window can resolve it.

    References:
        Glasberg and Moore 1990, equation 4.
    """
    low, high = 0.0, 20_000.0
    edges = [low]
    for remaining in range(num_bands, 0, -1):
        position = 21.4 * np.log10(1 + 0.00437 * edges[-1])
        top = 21.4 * np.log10(1 + 0.00437 * high)
        target = position + (top - position) / remaining
        edge = (10 ** (target / 21.4) - 1) / 0.00437
        edges.append(max(edge, edges[-1] + minimum_hz))
    edges[-1] = high
    return np.asarray(edges)


def compress(amplitude: NDArray[np.float32]) -> NDArray[np.float32]:
    """Amplitude (full scale 1) to level."""
    return np.asarray(np.power(np.maximum(amplitude, 0.0), COMPRESSION), dtype=np.float32)


def expand(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level to amplitude; negative levels are silence."""
    return np.asarray(np.power(np.maximum(level, 0.0), 1 / COMPRESSION), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Codec frames, one array per kind; the shapes are those of the module's description.

    Attributes:
        tone_level: [frames, 2, 96] compressed amplitude of the mid signal's partials.
        tone_cents: [frames, 96] in [-50, 50].
        noise_level: [frames, 4, 32] compressed root mean square of the mid signal's noise.
        pan: [frames, 16] side over mid where both are in phase, in [-1, 1]; positive is left.
        side_level: [frames, 16] compressed root mean square of the rest of the side signal.
    """

    tone_level: NDArray[np.float32]
    tone_cents: NDArray[np.float32]
    noise_level: NDArray[np.float32]
    pan: NDArray[np.float32]
    side_level: NDArray[np.float32]

    @property
    def num_frames(self) -> int:
        """How many codec frames there are."""
        return int(self.tone_level.shape[0])

    def to_array(self) -> NDArray[np.float32]:
        """Pack into [frames, NUM_PARAMETERS], cents scaled to [-1, 1]."""
        parts = (
            self.tone_level,
            self.tone_cents / MAX_CENTS,
            self.noise_level,
            self.pan,
            self.side_level,
        )
        frames = self.num_frames
        return np.concatenate([p.reshape(frames, -1) for p in parts], axis=1, dtype=np.float32)

    @classmethod
    def from_array(cls, packed: NDArray[np.float32]) -> "Parameters":
        """Unpack [frames, NUM_PARAMETERS] as `to_array` lays it out."""
        tone, cents, noise, pan, side = np.split(packed, np.cumsum(SIZES)[:-1], axis=1)
        frames = packed.shape[0]
        return cls(
            tone.reshape(frames, TONES_PER_FRAME, NUM_TONES),
            np.clip(cents, -1, 1) * MAX_CENTS,
            noise.reshape(frames, NOISE_PER_FRAME, NUM_NOISE_BANDS),
            np.clip(pan, -1, 1),
            side,
        )
