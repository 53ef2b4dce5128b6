"""What happens to a band between its instruments and the record: balance, tone, compression.

All of it is done to each part by itself, but decided by the sum: filters are linear, and the
compressor's gain over time is one curve for all. So the parts still add up to the mix.

References:
    Giannoulis, Massberg & Reiss 2012, "Digital dynamic range compressor design", JAES 60(6)
    (feed-forward, smoothed gain in dB).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float32]

_SILENT_DB = -80.0
# Chords have to be heard: of 151 rendered bands the two whose chords were under half right had
# harmony 7 and 14 dB below bass and drums.
_BELOW_DB = {"bass": 4.0, "drums": 8.0}
_MOST_LIFT_DB = 12.0
_TONE_CHANCE, _GLUE_CHANCE = 0.7, 0.5
_HOP_LENGTH = 512  # of the compressor's gain curve, in samples


def level_db(waveform: Array, sample_rate: int = 44_100) -> float:
    """Return the RMS level of the parts that sound, in dB of full scale.

    Blocks of 0.4 s more than 20 dB below the mean are pauses and do not count, as in ITU-R BS.1770.

    Args:
        waveform: [channels, samples] or [samples].
        sample_rate: Hz.
    """
    block = round(0.4 * sample_rate)
    channels = np.atleast_2d(waveform)
    usable = max(1, channels.shape[-1] // block) * block
    squares = np.square(channels[:, :usable]).mean(axis=0)
    powers = np.array(
        [part.mean() for part in np.split(squares, range(block, len(squares), block))]
    )
    if powers.mean() <= 0:
        return -120.0
    loud = powers[powers > 0.01 * powers.mean()]
    return float(10 * np.log10(loud.mean() + 1e-12))


def master(
    parts: Mapping[str, Array], sample_rate: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Treat the parts of a band as one.

    Args:
        parts: Waveforms [2, samples] by name, at any level.
        sample_rate: Hz.
        rng: Decides tone and compression.

    Returns:
        The treated parts, each [2, samples], to be added up.
    """
    levels = {name: level_db(part, sample_rate) for name, part in parts.items()}
    gains = {name: np.float32(10 ** (lift_db(name, levels) / 20)) for name in parts}
    treated = {name: part * gains[name] for name, part in parts.items()}
    if rng.random() < _TONE_CHANCE:
        corners_hz = rng.uniform(120, 350), rng.uniform(2500, 7000)
        shelves_db = rng.normal(0, 2, 2).clip(-4, 4)
        treated = {
            name: shelved(part, sample_rate, corners_hz, shelves_db)
            for name, part in treated.items()
        }
    if rng.random() < _GLUE_CHANCE:
        total: Array = np.sum(list(treated.values()), axis=0, dtype=np.float32)
        curve = compression(total, sample_rate, rng)
        treated = {name: part * curve for name, part in treated.items()}
    return treated


def lift_db(name: str, levels: Mapping[str, float]) -> float:
    """Return how much louder a part has to be: harmony that bass or drums would cover."""
    if name != "harmony" or levels[name] < _SILENT_DB:
        return 0.0
    wanted = [levels[other] - below for other, below in _BELOW_DB.items() if other in levels]
    return float(np.clip(max(wanted, default=levels[name]) - levels[name], 0.0, _MOST_LIFT_DB))


def shelved(
    part: Array,
    sample_rate: int,
    corners_hz: tuple[float, float],
    shelves_db: NDArray[np.float64],
) -> Array:
    """Raise or lower what is below and above two corners, by filters of first order.

    Args:
        part: [channels, samples].
        sample_rate: Hz.
        corners_hz: Of the low and of the high shelf.
        shelves_db: Gain of both.
    """
    low, high = 10 ** (np.asarray(shelves_db) / 20)
    poles = np.exp(-2 * np.pi * np.array(corners_hz) / sample_rate)
    # 1 + (low - 1) · L and high + (1 - high) · L, with a lowpass L of one pole and gain 1; both in
    # one filter, which takes half the time of two.
    low_shelf = np.array([1 + (low - 1) * (1 - poles[0]), -poles[0]])
    high_shelf = np.array([high + (1 - high) * (1 - poles[1]), -high * poles[1]])
    numerator = np.convolve(low_shelf, high_shelf).astype(np.float32)
    denominator = np.convolve([1, -poles[0]], [1, -poles[1]]).astype(np.float32)
    out: Array = lfilter(numerator, denominator, part, axis=-1)
    return out


def compression(total: Array, sample_rate: int, rng: np.random.Generator) -> Array:
    """Return the gain [samples] of a gentle bus compressor for a mix.

    Args:
        total: [2, samples].
        sample_rate: Hz.
        rng: Decides threshold, ratio, attack and release.
    """
    count = -(-total.shape[1] // _HOP_LENGTH)
    padded = np.pad(total, ((0, 0), (0, count * _HOP_LENGTH - total.shape[1])))
    power = np.square(padded).mean(axis=0).reshape(count, _HOP_LENGTH).mean(axis=1)
    threshold = level_db(total, sample_rate) + rng.uniform(-2, 4)
    over = np.maximum(10 * np.log10(power + 1e-12) - threshold, 0.0)
    wanted = -over * (1 - 1 / rng.uniform(1.5, 3.0))
    frame = _HOP_LENGTH / sample_rate
    attack, release = (
        1 - np.exp(-frame / seconds) for seconds in (rng.uniform(0.01, 0.04), rng.uniform(0.1, 0.4))
    )
    smoothed, gain = np.empty(count), 0.0
    for index, target in enumerate(wanted):
        gain += (attack if target < gain else release) * (target - gain)
        smoothed[index] = gain
    middles = (np.arange(count) + 0.5) * _HOP_LENGTH
    curve = np.interp(np.arange(total.shape[1]), middles, 10 ** (smoothed / 20))
    return curve.astype(np.float32)
