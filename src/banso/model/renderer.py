"""The codec's renderer: hears what the decoded parameters are meant to be, and shapes their sound.

A small convolutional network reads packed parameters and gives the gains of `banso.codec.gains`
for every synthesis step. What sounds is still the synthesis with its coherent tones, so that no
note can move; its spectrum is that of instruments. The output starts as gains that change nothing.

References:
    Wang et al. 2019, arXiv:1904.12088 (neural source-filter models). Engel et al. 2020,
    arXiv:2001.04643 (filters predicted for a synthesizer). Liu et al. 2022, arXiv:2201.03545.
"""

import torch
from torch import Tensor, nn

from banso.codec.gains import GAIN_KINDS, NUM_GAIN_POINTS, Layers, gain_blend, shape_layers
from banso.codec.parameters import NOISE_PER_FRAME, NUM_PARAMETERS, SYNTHESIS_HOP
from banso.codec.synthesis import band_blend
from banso.config import RendererConfig
from banso.model.codec import Block

# Gains of sound that is there are exponential, at most 26 dB either way; the other adds to what is
# there and is 0 if nothing is to be added.
_EXPONENTIAL = torch.tensor([kind != "breath" for kind in GAIN_KINDS])
_LARGEST_LOG = 3.0


class RendererNetwork(nn.Module):
    """Packed parameters [batch, frames, 448] to gains [batch, frames, NUM_GAINS]."""

    exponential: Tensor

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config = config
        self.widen = nn.Linear(NUM_PARAMETERS, config.dim)
        self.blocks = nn.Sequential(
            *(Block(config.dim, config.kernel_size) for _ in range(config.layers))
        )
        self.spread = nn.Linear(config.dim, NOISE_PER_FRAME * config.step_dim)
        self.step_blocks = nn.Sequential(
            *(Block(config.step_dim, config.kernel_size) for _ in range(config.step_layers))
        )
        self.norm = nn.LayerNorm(config.step_dim)
        self.project = nn.Linear(config.step_dim, len(GAIN_KINDS) * NUM_GAIN_POINTS)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        exponential = _EXPONENTIAL.repeat_interleave(NUM_GAIN_POINTS).float()
        self.register_buffer("exponential", exponential, persistent=False)

    def forward(self, parameters: Tensor) -> Tensor:
        """Gains by step, kind and point of packed parameters.

        Args:
            parameters: [batch, frames, 448] as a codec decodes them.

        Returns:
            [batch, frames, NUM_GAINS], neutral before any training.
        """
        raw = self.project(self.norm(self._by_step(parameters))).float()
        log = _LARGEST_LOG * torch.tanh(raw / _LARGEST_LOG)
        gains = self.exponential * log.exp() + (1 - self.exponential) * torch.tanh(raw)
        out: Tensor = gains.unflatten(1, (-1, NOISE_PER_FRAME)).flatten(2)
        return out

    def _by_step(self, parameters: Tensor) -> Tensor:
        """Features [batch, frames * 4, step_dim]."""
        frames = self.spread(self.blocks(self.widen(parameters)))
        steps = frames.unflatten(2, (NOISE_PER_FRAME, -1)).flatten(1, 2)
        out: Tensor = self.step_blocks(steps)
        return out


class RendererPlayer(nn.Module):
    """A renderer and the synthesis that it shapes, differentiable.

    Args:
        network: The renderer.
    """

    points: Tensor
    bands: Tensor

    def __init__(self, network: RendererNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("points", torch.from_numpy(gain_blend()), persistent=False)
        self.register_buffer("bands", torch.from_numpy(band_blend()), persistent=False)

    def forward(self, parameters: Tensor | None, layers: Layers) -> Tensor:
        """Play all but the first 512 samples, which the frame before would add to.

        Args:
            parameters: Packed [batch, frames, 448], with context on both sides or without;
                None to play as there were no renderer.
            layers: Of the frames without context.

        Returns:
            Mid and side [batch, 2, samples].
        """
        if parameters is not None:
            gains = self._gains(parameters, layers.tones.shape[1])
            with torch.autocast(gains.device.type, enabled=False):
                spectra = shape_layers(layers, gains.float(), (self.points, self.bands))
        else:
            mid = layers.tones + layers.white * layers.noise_gain
            spectra = mid, layers.pan * mid + layers.own
        frames = torch.fft.irfft(torch.stack(spectra, dim=1), n=2 * SYNTHESIS_HOP)
        first, second = frames[:, :, 1:, :SYNTHESIS_HOP], frames[:, :, :-1, SYNTHESIS_HOP:]
        out: Tensor = (first + second).flatten(2)
        return out

    def _gains(self, parameters: Tensor, steps: int) -> Tensor:
        """Gains [batch, kinds, steps, points] of the steps in the middle."""
        gains = self.network(parameters)
        context = (gains.shape[1] - steps // NOISE_PER_FRAME) // 2
        gains = gains[:, context : gains.shape[1] - context]
        by_step = gains.reshape(len(gains), steps, len(GAIN_KINDS), NUM_GAIN_POINTS)
        out: Tensor = by_step.transpose(1, 2)
        return out
