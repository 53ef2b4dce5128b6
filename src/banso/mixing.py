"""How loud the accompaniment is beside the voice, and their sum.

References:
    Gerdes and Siedenburg 2023, "Lead-vocal level in recordings of popular music 1946-2020", JASA
    Express Letters 3, 043201: since 1975 the lead vocal is on average 1 dB above the rest, more
    for pop and for solo singers.
"""

from dataclasses import dataclass

import numpy as np

from banso.audio import Audio, Samples
from banso.truepeak import true_peak

# Gerdes and Siedenburg 2023 (above): a little more voice than their average over all genres,
# because banso's users are solo singers.
ACCOMPANIMENT_BELOW_VOCALS_LU = 2.0
# EBU R 128 (2020): the room that a true peak leaves for what lossy formats add.
MAX_PEAK_DBTP = -1.0
_MAX_PEAK = 10 ** (MAX_PEAK_DBTP / 20)


@dataclass(frozen=True, slots=True)
class Balance:
    """Linear gains.

    Attributes:
        alone: Of the accompaniment in a file of its own.
        in_mix: Of the accompaniment beside the voice; differs from `alone` only where the file
            of its own would go beyond -1 dBTP.
        vocals: Of the voice in the mix.
    """

    alone: float
    in_mix: float
    vocals: float


def balance(
    vocals_lufs: float, raw_lufs: float, raw_peak: float, vocal_gain_db: float = 0.0
) -> Balance:
    """Match the loudness of a generated accompaniment to a voice.

    Args:
        vocals_lufs: Integrated loudness of the voice, as stereo; minus infinity if unmeasurable.
        raw_lufs: That of the accompaniment as it was decoded.
        raw_peak: Its true peak, full scale 1.
        vocal_gain_db: Wanted gain on the voice; the accompaniment stays where it is.
    """
    gain = 1.0
    if np.isfinite(vocals_lufs) and np.isfinite(raw_lufs):
        gain = 10 ** ((vocals_lufs - ACCOMPANIMENT_BELOW_VOCALS_LU - raw_lufs) / 20)
    return Balance(
        alone=min(gain, safe_gain(raw_peak)), in_mix=gain, vocals=10 ** (vocal_gain_db / 20)
    )


def safe_gain(peak: float) -> float:
    """Return the largest gain that keeps a true peak at or below -1 dBTP."""
    return _MAX_PEAK / peak if peak > 0 else np.inf


def mix_blocks(vocals: Samples, accompaniment: Samples, gains: Balance) -> Samples:
    """Return voice + accompaniment, [2, samples] each, at the gains of the mix."""
    mixed: Samples = np.float32(gains.vocals) * vocals + np.float32(gains.in_mix) * accompaniment
    return mixed


def mix(vocals: Audio, accompaniment: Audio, *, vocal_gain_db: float = 0.0) -> Audio:
    """Add a voice and an accompaniment that is already as loud as it should be.

    Args:
        vocals: The voice; brought to the accompaniment's rate and to stereo.
        accompaniment: Stereo, from the same first sample on.
        vocal_gain_db: Gain on the voice.

    Returns:
        Stereo, as long as the accompaniment; scaled as a whole only if it exceeds -1 dBTP.
    """
    voice = vocals.resampled(accompaniment.sample_rate).to_stereo().samples
    voice = voice[:, : accompaniment.num_samples]
    mixed = accompaniment.to_stereo().samples.copy()
    mixed[:, : voice.shape[1]] += np.float32(10 ** (vocal_gain_db / 20)) * voice
    sounding = Audio(mixed, accompaniment.sample_rate)
    peak = true_peak(sounding.blocks())
    gain = np.float32(min(1.0, safe_gain(peak)))
    return Audio(gain * sounding.samples, sounding.sample_rate)
