"""Parts that are there already: a recording to play along with, such as the singer's own guitar."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path

import numpy as np

from banso.audio import Audio, Recording, Samples, exactly, resample_blocks, summed
from banso.decoding import Codec
from banso.delivery import OUTPUT_SAMPLE_RATE
from banso.encoding import encode_blocks
from banso.errors import AudioError
from banso.features import LEVEL, LOWEST_MIDI, PITCH, VOICING, FeatureStream
from banso.files import AudioReader
from banso.loudness import LoudnessMeter
from banso.scratch import Scratch

# What the denoiser learned from, measured on 24 s of each of 5 rendered bands: how loud they
# are, and how far below that their parts lie on average.
_BAND_LUFS = -18.0
_BELOW_BAND_LU = {"drums": 12.3, "bass": 6.5, "harmony": 3.7, "extra": 9.9}
# On the same, loud frames of drums have a mean voicing of 0.12 to 0.46, those of other parts of
# 0.80 or more; the median pitch of basses is at most 52 (E3), that of harmonies at least 56.
_TONAL, _LOW_MIDI, _LOUD = 0.63, 54.0, 0.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Others:
    """A recording of parts that are there already.

    Attributes:
        sound: The recording, stereo at 44.1 kHz, as long as the voice.
        gain: Linear gain that makes it as loud as parts are in the bands of the training.
        tuning_cents: How far above A4 = 440 Hz it is tuned; None if it has no pitch.
        role: Which part it sounds like, one of `banso.conditioning.PART_NAMES`.
    """

    sound: Scratch
    gain: float
    tuning_cents: float | None
    role: str

    def blocks(self) -> Iterator[Samples]:
        """Yield the sound at the level of the training, [2, samples] each."""
        return (np.float32(self.gain) * block for block in self.sound.blocks())


def as_recording(source: Path | Audio) -> Recording:
    """Return something to listen to.

    Raises:
        AudioError: If it is a file that cannot be read.
    """
    return source if isinstance(source, Audio) else AudioReader(source)


def expected_lufs(parts: Sequence[str] = ()) -> float:
    """Return how loud some parts are in the bands of the training; the band, if none is named."""
    if not parts:
        return _BAND_LUFS
    power = sum(10 ** (-_BELOW_BAND_LU[part] / 10) for part in parts)
    return _BAND_LUFS + 10 * log10(min(1.0, power))


def hear_others(recording: Recording, num_samples: int, sound: Scratch) -> Others:
    """Listen to a recording that the band is to play along with.

    Args:
        recording: Starts at the same moment as the voice.
        num_samples: Length of the voice at 44.1 kHz; what is longer is cut, shorter is silent.
        sound: Where to keep it.

    Raises:
        AudioError: If it is silent.
    """
    meter, features = LoudnessMeter(OUTPUT_SAMPLE_RATE), FeatureStream()
    for block in exactly(_stereo(recording.blocks(OUTPUT_SAMPLE_RATE)), num_samples):
        sound.append(block)
        meter.add(block)
        features.add(block.mean(axis=0))
    lufs = meter.integrated_lufs
    if not np.isfinite(lufs):
        raise AudioError(
            f"{recording.name} is silent while the voice sings; give a part that is to be heard"
        )
    tuning = features.tuning_cents() if features.keeps_to_semitones else None
    rows = features.finish(-(-num_samples // 2048), tuning or 0.0)
    role = _role(rows)
    return Others(
        sound=sound,
        gain=10 ** ((expected_lufs((role,)) - lufs) / 20),
        tuning_cents=None if role == "drums" else tuning,
        role=role,
    )


def encode_sum(
    codec: Codec, sources: Iterable[Iterator[Samples]], num_samples: int, tuning_cents: float
) -> Samples:
    """Encode several sounds played together.

    Args:
        codec: Encodes them.
        sources: Each [2, samples] at 44.1 kHz, in blocks of the same lengths.
        num_samples: Length of each.
        tuning_cents: How far above A4 = 440 Hz they are tuned.

    Returns:
        Latents [frames, channels].
    """
    total = summed(sources)
    blocks = resample_blocks(total, OUTPUT_SAMPLE_RATE, codec.sample_rate, num_samples)
    return encode_blocks(codec, blocks, tuning_cents)


def _stereo(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """One or two channels as they are, the mean of more in the middle."""
    for block in blocks:
        if block.shape[0] == 2:
            yield block
        else:
            yield np.repeat(block.mean(axis=0, keepdims=True, dtype=np.float32), 2, axis=0)


def _role(features: Samples) -> str:
    """What a recording is most like, by its features [frames, features]."""
    loud = features[features[:, LEVEL] > _LOUD]
    if loud[:, VOICING].mean() < _TONAL:
        return "drums"
    pitch = LOWEST_MIDI + np.median(loud[:, PITCH].argmax(axis=1))
    return "bass" if pitch < _LOW_MIDI else "harmony"
