"""Tells recordings from what a renderer plays, by complex spectrograms at several resolutions.

References:
    Defossez et al. 2022, arXiv:2210.13438, section 3.4 (multi-scale complex STFT). Mao et al.
    2017, arXiv:1611.04076 (least squares).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

_COMPRESSION = 0.3  # as levels are compressed: quiet sounds are heard too
_QUIETEST = 1e-4  # of a full-scale sine's peak, as good as silent


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What one discriminator says.

    Attributes:
        scores: By place, [batch, 1, frames, bins]; 1 for recordings, 0 for what is played.
        features: Of its layers, [batch, channels, frames, bins] each.
    """

    scores: Tensor
    features: list[Tensor]


class SpectrogramDiscriminator(nn.Module):
    """Looks at mid and side through one window.

    Args:
        n_fft: Window in samples; a quarter of it is the hop.
        dim: Channels of its layers.
    """

    window: Tensor

    def __init__(self, n_fft: int, dim: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft) * 4 / n_fft)
        sizes = ((3, 9), (3, 9), (3, 9), (3, 9), (3, 3))
        strides = ((1, 2), (1, 2), (1, 2), (1, 2), (1, 1))
        layers = []
        for index, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
            dilation = (1, 1, 2, 4, 1)[index]
            padding = (dilation * (size[0] // 2), size[1] // 2)
            convolution = nn.Conv2d(
                4 if index == 0 else dim, dim, size, stride, padding, (dilation, 1)
            )
            layers.append(weight_norm(convolution))
        self.layers = nn.ModuleList(layers)
        self.judge = weight_norm(nn.Conv2d(dim, 1, (3, 3), padding=1))

    def forward(self, mid_side: Tensor) -> Verdict:
        """Judge waveforms [batch, 2, samples]."""
        features = []
        x = self._spectrogram(mid_side)
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1)
            features.append(x)
        return Verdict(self.judge(x), features)

    def _spectrogram(self, mid_side: Tensor) -> Tensor:
        """Compressed real and imaginary parts [batch, 4, frames, bins]."""
        with torch.autocast(mid_side.device.type, enabled=False):
            spectra = torch.stft(
                mid_side.float().flatten(0, 1),
                self.n_fft,
                self.n_fft // 4,
                window=self.window,
                center=False,
                return_complex=True,
            )
            parts = torch.view_as_real(spectra)
            power = parts.square().sum(-1, keepdim=True) + _QUIETEST**2
            parts = parts * power ** ((_COMPRESSION - 1) / 2)
            parts = parts.unflatten(0, (-1, 2)).permute(0, 1, 4, 3, 2).flatten(1, 2)
        out: Tensor = parts.contiguous(memory_format=torch.channels_last)
        return out


class Discriminators(nn.Module):
    """One discriminator for each window.

    Args:
        n_ffts: Their windows in samples.
        dim: Channels of their layers.
    """

    def __init__(self, n_ffts: tuple[int, ...] = (2_048, 1_024, 512), dim: int = 32) -> None:
        super().__init__()
        self.members = nn.ModuleList(SpectrogramDiscriminator(n, dim) for n in n_ffts)

    def forward(self, mid_side: Tensor) -> list[Verdict]:
        """Judge waveforms [batch, 2, samples]."""
        return [member(mid_side) for member in self.members]


def discriminator_loss(real: list[Verdict], played: list[Verdict]) -> Tensor:
    """Least squares: recordings to 1, what is played to 0; a mean over discriminators."""
    terms = [
        (1 - r.scores.float()).square().mean() + p.scores.float().square().mean()
        for r, p in zip(real, played, strict=True)
    ]
    return torch.stack(terms).mean()


def deception_loss(played: list[Verdict]) -> Tensor:
    """Least squares: what is played to 1."""
    return torch.stack([(1 - p.scores.float()).square().mean() for p in played]).mean()


def feature_distance(real: list[Verdict], played: list[Verdict]) -> Tensor:
    """Mean relative difference of the layers' features; Kumar et al. 2019, arXiv:1910.06711."""
    terms = []
    for r, p in zip(real, played, strict=True):
        for wanted, found in zip(r.features, p.features, strict=True):
            size = wanted.detach().abs().mean().float().clamp(min=1e-3)
            terms.append((wanted.detach() - found).abs().mean().float() / size)
    return torch.stack(terms).mean()
