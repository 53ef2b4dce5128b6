"""How close one recording is to another as a signal, and whether its seams show; in dB.

References:
    Le Roux et al. 2019, "SDR - half-baked or well done?", ICASSP, arXiv:1811.02508.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from banso.eval.hearing import Array

# A seam is looked for so far to either side: the codec's frames overlap by as much.
_SEAM_MS = 20
_WIDEST_DB = 60.0
# What is 60 dB below the median place is as good as silent.
_SEAM_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class StereoDistance:
    """A distance in dB, for the middle and for the side signal of a stereo pair."""

    mid_db: float
    side_db: float


@dataclass(frozen=True, slots=True)
class SeamExcess:
    """By how much something is more where windows meet than at other places of a recording.

    Attributes:
        db: 0 is what to expect if seams are like the rest. NaN without seams.
        spread_db: Standard deviation of `db` over as many places drawn at random.
        num_seams: How many seams there were.
    """

    db: float
    spread_db: float
    num_seams: int


def log_mel_distance(
    a: Array, b: Array, sample_rate: int, *, floor_db: float = -70.0
) -> StereoDistance:
    """Mean absolute difference of log-mel spectrograms in dB, mid and side apart.

    Mid is (L + R) / 2, side (L - R) / 2; 80 mel bands up to 16 kHz, power, windows of 2 048 with
    hop 512. Levels are clamped from below at `floor_db` relative to the loudest mid cell of the
    reference (one floor for mid and side, so that an inaudible side does not count), and cells
    that are at the floor in both recordings are left out, so that silence does not dilute.

    Args:
        a: Reference [2, samples].
        b: Recording to compare [2, samples], aligned to the sample; the shorter length is used.
        sample_rate: Of both, in Hz.
        floor_db: Relative floor.

    Returns:
        Both distances; 0 for identical recordings.
    """
    num_samples = min(a.shape[-1], b.shape[-1])
    reference = mid_side_mel(a[:, :num_samples], sample_rate)
    other = mid_side_mel(b[:, :num_samples], sample_rate)
    floor = max(float(reference[0].max()), 1e-10) * 10 ** (floor_db / 10)
    distances = []
    for clean, changed in zip(reference, other, strict=True):
        audible = (clean > floor) | (changed > floor)
        difference = 10 * np.log10(np.maximum(clean, floor) / np.maximum(changed, floor))
        distances.append(float(np.abs(difference[audible]).mean()) if audible.any() else 0.0)
    return StereoDistance(*distances)


def si_sdr(reference: Array, estimate: Array) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, over all channels together.

    Args:
        reference: Waveform [channels, samples].
        estimate: Waveform of the same shape, aligned to the sample.

    Returns:
        Decibels; NaN if the reference is silent, at most 100.
    """
    target = reference.astype(np.float64).ravel()
    other = estimate.astype(np.float64).ravel()
    energy = float(target @ target)
    if energy == 0:
        return float("nan")
    scaled = (float(other @ target) / energy) * target
    ratio = float(scaled @ scaled) / max(float(np.sum((other - scaled) ** 2)), 1e-30)
    return float(np.clip(10 * np.log10(max(ratio, 1e-10)), -100, 100))


def seam_energy(samples: Array, sample_rate: int, seam_seconds: Sequence[float]) -> SeamExcess:
    """Energy of sudden change at window seams relative to elsewhere.

    The second difference of the waveform stands out at a click or jump and costs nothing to
    compute. Measured is its loudest 1 ms within ±20 ms, averaged over the seams in dB, against the
    average over all other places: what as many places drawn at random would have. Where a seam
    falls, on a drum or in a rest, is chance, and few seams leave much to it; hence the spread.

    Args:
        samples: Accompaniment [channels, samples].
        sample_rate: In Hz.
        seam_seconds: Where two windows were joined.
    """
    loudest = _around(_sudden_change(samples, sample_rate).mean(axis=1)).max(axis=1)
    return _excess(loudest / (np.median(loudest) + 1e-20), sample_rate, seam_seconds)


def seam_clicks(samples: Array, sample_rate: int, seam_seconds: Sequence[float]) -> SeamExcess:
    """How far clicks stand out at window seams relative to elsewhere.

    As `seam_energy`, but measured is how far the loudest quarter of a millisecond is above the
    mean within ±20 ms. The hit of a drum is loud for longer than a click, so far smaller clicks
    are found than by their energy, and with far less chance in it.

    Args:
        samples: Accompaniment [channels, samples].
        sample_rate: In Hz.
        seam_seconds: Where two windows were joined.
    """
    change = _sudden_change(samples, sample_rate)
    mean = _around(change.mean(axis=1)).mean(axis=1)
    # Where nothing sounds, rounding must not stand out.
    floor = _SEAM_FLOOR * np.median(mean) + 1e-20
    loudest = _around(change.max(axis=1)).max(axis=1)
    return _excess((loudest + floor) / (mean + floor), sample_rate, seam_seconds)


def seam_energy_db(samples: Array, sample_rate: int, seam_seconds: Sequence[float]) -> float:
    """The decibels of `seam_energy` alone; NaN without a seam inside the recording."""
    return seam_energy(samples, sample_rate, seam_seconds).db


def pool_seams(excesses: Sequence[SeamExcess]) -> SeamExcess:
    """Take the seams of several recordings together, each seam weighing the same."""
    counts = np.array([e.num_seams for e in excesses])
    total = int(counts.sum())
    if not total:
        return SeamExcess(float("nan"), float("nan"), 0)
    values = np.array([(e.db, e.spread_db) if e.num_seams else (0.0, 0.0) for e in excesses])
    spread = np.sqrt(np.sum((counts * values[:, 1]) ** 2)) / total
    return SeamExcess(float(counts @ values[:, 0] / total), float(spread), total)


def _quarter_ms(sample_rate: int) -> int:
    return max(1, round(sample_rate / 4_000))


def _sudden_change(samples: Array, sample_rate: int) -> NDArray[np.float64]:
    """Energy of the waveform's second difference [milliseconds, 4 quarters]."""
    change = np.diff(np.atleast_2d(samples).astype(np.float64), n=2, axis=-1) ** 2
    quarter = _quarter_ms(sample_rate)
    size = change.shape[-1] // (4 * quarter) * 4 * quarter
    energy: NDArray[np.float64] = change.mean(axis=0)[:size].reshape(-1, 4, quarter).mean(axis=2)
    return energy


def _around(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the ±20 ms around every place [places, 40], given those of every ms."""
    return sliding_window_view(values, 2 * _SEAM_MS)


def _excess(
    values: NDArray[np.float64], sample_rate: int, seam_seconds: Sequence[float]
) -> SeamExcess:
    """Compare the values of the places [places] where seams are with those of all others."""
    wanted = [round(s * sample_rate / (4 * _quarter_ms(sample_rate))) for s in seam_seconds]
    seams = [place - _SEAM_MS for place in wanted if 0 <= place - _SEAM_MS < len(values)]
    if not seams:
        return SeamExcess(float("nan"), float("nan"), 0)
    values_db = 10 * np.log10(np.maximum(values, _SEAM_FLOOR))
    elsewhere = np.ones(len(values), bool)
    for place in seams:
        elsewhere[max(0, place - 2 * _SEAM_MS) : place + 2 * _SEAM_MS] = False
    others_db = values_db[elsewhere]
    return SeamExcess(
        db=float(values_db[seams].mean() - others_db.mean()),
        spread_db=float(others_db.std() / np.sqrt(len(seams))),
        num_seams=len(seams),
    )


def stereo_width(samples: Array) -> float:
    """Power of the side signal beside that of the mid signal, dB, from -60, mono, to 60.

    Args:
        samples: Waveform [2, samples]; silence is mono.
    """
    mid, side = (
        float(np.square(samples[0] + sign * samples[1], dtype=np.float64).mean())
        for sign in (1, -1)
    )
    if side == 0:
        return -_WIDEST_DB
    ratio_db = 10 * np.log10(side) - 10 * np.log10(max(mid, 1e-30))
    return float(np.clip(ratio_db, -_WIDEST_DB, _WIDEST_DB))


def mid_side_mel(samples: Array, sample_rate: int) -> Array:
    """Power of mid and side [2, 80, frames] in mel bands up to 16 kHz, every 512 samples.

    Args:
        samples: Waveform [channels, samples], one or two.
        sample_rate: In Hz.
    """
    stereo = np.broadcast_to(samples, (2, samples.shape[-1]))
    mid_side = np.stack([stereo[0] + stereo[1], stereo[0] - stereo[1]]) / 2
    mel = librosa.feature.melspectrogram(
        y=mid_side,
        sr=sample_rate,
        n_fft=2048,
        hop_length=512,
        n_mels=80,
        fmax=min(16000, sample_rate / 2),
    )
    return np.asarray(mel, dtype=np.float32)
