"""How close one recording is to another as a signal, and whether its seams show; in dB.

References:
    Le Roux et al. 2019, "SDR - half-baked or well done?", ICASSP, arXiv:1811.02508.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np

from banso.eval.hearing import Array


@dataclass(frozen=True, slots=True)
class StereoDistance:
    """A distance in dB, for the middle and for the side signal of a stereo pair."""

    mid_db: float
    side_db: float


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
    reference = _mid_side_mel(a[:, :num_samples], sample_rate)
    other = _mid_side_mel(b[:, :num_samples], sample_rate)
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


def seam_energy_db(samples: Array, sample_rate: int, seam_seconds: Sequence[float]) -> float:
    """Energy of sudden change at window seams relative to elsewhere, in dB.

    The second difference of the waveform stands out at a click or jump and costs nothing to
    compute. Its loudest 1 ms within ±20 ms of each seam is compared with the median of the same
    measure over the whole recording in steps of 40 ms; the median over seams is returned.

    Args:
        samples: Accompaniment [channels, samples].
        sample_rate: In Hz.
        seam_seconds: Where two windows were joined.

    Returns:
        Decibels: about 0 if seams are like the rest, far above for clicks, below for dips. NaN
        without a seam inside the recording.
    """
    block = max(1, round(0.001 * sample_rate))
    change = np.diff(np.atleast_2d(samples).astype(np.float64), n=2, axis=-1) ** 2
    num_blocks = change.shape[-1] // block
    energy = change.mean(axis=0)[: num_blocks * block].reshape(num_blocks, block).mean(axis=1)
    seams = [round(s * sample_rate / block) for s in seam_seconds]
    peaks = [energy[max(0, s - 20) : s + 20].max() for s in seams if 0 <= s < num_blocks]
    if not peaks:
        return float("nan")
    elsewhere = energy[: num_blocks // 40 * 40].reshape(-1, 40).max(axis=1)
    return float(10 * np.log10((np.median(peaks) + 1e-20) / (np.median(elsewhere) + 1e-20)))


def _mid_side_mel(samples: Array, sample_rate: int) -> Array:
    """Mel power of mid and side [2, n_mels, frames]."""
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
