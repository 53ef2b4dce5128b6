"""How far what a renderer plays is from the recording, by ear: no term looks at phase.

Levels in dB through windows from 6 to 93 ms, of mid and side and of both channels; loud places
once more in plain magnitudes; and the notes, in semitones through a window of 186 ms.

References:
    Yamamoto et al. 2020, arXiv:1910.11480 (several STFT resolutions).
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from banso.codec.mel import mel_triangles
from banso.codec.parameters import SAMPLE_RATE

# Window and mel bands. The third is the one that codecs are compared by.
_RESOLUTIONS = ((256, 24), (512, 40), (1_024, 64), (2_048, 80), (4_096, 160))
COMPARED = (2_048, 80)
_PLAIN = (1_024, 2_048, 4_096)
# Mid, side, left, right: mid is most of what is heard, and what small loudspeakers play.
_CHANNEL_WEIGHTS = (1.0, 0.6, 0.4, 0.4)
_FLOOR = 1e-7  # of the loudest place in power, -70 dB as codecs are compared
_NOTE_WINDOW = 8_192
_LOWEST_NOTE, _HIGHEST_NOTE = 48, 96  # MIDI, C3 to B6; lower semitones are narrower than a bin


@dataclass(frozen=True, slots=True)
class SpectralLoss:
    """Terms of the distance, each a scalar tensor.

    Attributes:
        level: Mean absolute difference of log mel power, in nepers of power.
        plain: Mean absolute difference of magnitudes over the recording's mean.
        notes: One minus the cosine of the amplitudes in semitones.
    """

    level: Tensor
    plain: Tensor
    notes: Tensor


def spectral_loss(played: Tensor, recorded: Tensor, loudest: Tensor) -> SpectralLoss:
    """Compare waveforms.

    Args:
        played: Mid and side [batch, 2, samples].
        recorded: Likewise.
        loudest: Largest mel power of each whole recording's mid [batch]; see `mel_power`.
    """
    both = four_channels(played), four_channels(recorded)
    levels = [_level_difference(*both, loudest, *resolution) for resolution in _RESOLUTIONS]
    mids = played[:, 0], recorded[:, 0]
    plain = [_plain_difference(*mids, n_fft) for n_fft in _PLAIN]
    return SpectralLoss(torch.stack(levels).mean(), torch.stack(plain).mean(), note_distance(*mids))


def four_channels(mid_side: Tensor) -> Tensor:
    """Mid, side, left and right [batch, 4, samples] of mid and side."""
    mid, side = mid_side.unbind(1)
    return torch.stack([mid, side, mid + side, mid - side], dim=1)


def mel_power(waveform: Tensor, n_fft: int, num_mels: int) -> Tensor:
    """Power [..., mels, frames] of waveforms [..., samples] in mel bands up to 16 kHz.

    Density in power per hertz, up to a factor that is the same at every resolution.
    """
    power = magnitude(waveform, n_fft).square()
    out: Tensor = mel_bands(n_fft, num_mels, str(waveform.device)) @ power
    return out


def magnitude(waveform: Tensor, n_fft: int) -> Tensor:
    """Magnitudes [..., bins, frames] of Hann windows, a quarter of them apart."""
    window = torch.hann_window(n_fft, device=waveform.device) * (4 / n_fft)
    flat = waveform.float().reshape(-1, waveform.shape[-1])
    spectra = torch.stft(flat, n_fft, n_fft // 4, window=window, return_complex=True)
    parts = torch.view_as_real(spectra).square().sum(-1)
    # The root's gradient at zero is infinite.
    return (parts + 1e-14).sqrt().reshape(*waveform.shape[:-1], *parts.shape[-2:])


def log_mel_db(played: Tensor, recorded: Tensor) -> tuple[float, float]:
    """Log-mel distance in dB of mid and of side, as `banso.eval.fidelity` has it.

    Args:
        played: Mid and side [2, samples] of a whole clip.
        recorded: Likewise.
    """
    found, wanted = (mel_power(w, *COMPARED) for w in (played, recorded))
    floor = wanted[0].max().clamp(min=1e-10) * _FLOOR
    heard = (found > floor) | (wanted > floor)
    difference = 10 * (found.clamp(min=floor) / wanted.clamp(min=floor)).log10().abs()
    distances = [
        float(d[h].mean()) if h.any() else 0.0 for d, h in zip(difference, heard, strict=True)
    ]
    return distances[0], distances[1]


def _level_difference(
    played: Tensor, recorded: Tensor, loudest: Tensor, n_fft: int, num_mels: int
) -> Tensor:
    floor = (loudest.clamp(min=1e-9) * _FLOOR)[:, None, None, None]
    found, wanted = (mel_power(w, n_fft, num_mels) for w in (played, recorded))
    heard = ((found.detach() > floor) | (wanted > floor)).float()
    # What lies at the floor in both does not count, and the floor is soft: its slope never ends.
    difference = (torch.log(found + floor) - torch.log(wanted + floor)).abs() * heard
    weights = torch.tensor(_CHANNEL_WEIGHTS, device=played.device)
    by_channel = difference.sum((0, 2, 3)) / heard.sum((0, 2, 3)).clamp(min=1)
    return (by_channel * weights).sum() / weights.sum()


def _plain_difference(played: Tensor, recorded: Tensor, n_fft: int) -> Tensor:
    found, wanted = magnitude(played, n_fft), magnitude(recorded, n_fft)
    return (found - wanted).abs().mean() / wanted.mean().clamp(min=1e-5)


def note_distance(played: Tensor, recorded: Tensor) -> Tensor:
    """One minus the cosine of the amplitudes in semitones from C3 to B6, a mean over frames.

    Args:
        played: Waveforms [batch, samples].
        recorded: Likewise; where it is silent nothing counts.
    """
    bands = _note_bands(str(played.device))
    found, wanted = (
        (bands @ magnitude(w, _NOTE_WINDOW).square() + 1e-10).sqrt() for w in (played, recorded)
    )
    loud = (wanted.norm(dim=-2) > 1e-3).float()
    cosine = torch.nn.functional.cosine_similarity(found, wanted, dim=-2, eps=1e-4)
    out: Tensor = ((1 - cosine) * loud).sum() / loud.sum().clamp(min=1)
    return out


@functools.cache
def mel_bands(n_fft: int, num_mels: int, device: str) -> Tensor:
    """Triangles [mels, bins] of equal area on Slaney's mel scale, up to 16 kHz."""
    return torch.from_numpy(mel_triangles(n_fft, num_mels)).to(device)


@functools.cache
def _note_bands(device: str) -> Tensor:
    """Triangles [semitones, bins] a semitone to each side."""
    hz = np.arange(1, _NOTE_WINDOW // 2 + 1) * SAMPLE_RATE / _NOTE_WINDOW
    midi = 69 + 12 * np.log2(hz / 440)
    notes = np.arange(_LOWEST_NOTE, _HIGHEST_NOTE)
    bands = np.maximum(0, 1 - np.abs(midi - notes[:, None]))
    return torch.from_numpy(np.pad(bands, ((0, 0), (1, 0))).astype(np.float32)).to(device)
