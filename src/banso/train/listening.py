"""Hear a run while it trains: a validation song sampled by the same sampler as for everybody."""

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray

from banso import conditioning as c
from banso.codec.parameters import SAMPLE_RATE, Parameters
from banso.codec.synthesis import synthesize
from banso.config import SamplerConfig
from banso.data.cache import Example
from banso.generation import EvaluationCount, guided, sampled
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork, Encoding, denoise_at
from banso.sampler import Denoiser

Array = NDArray[np.float32]


class TorchDenoiser:
    """A torch network as what the sampler expects; see `banso.sampler.ConditionalDenoiser`."""

    def __init__(self, network: DenoiserNetwork) -> None:
        self._network = network
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def condition(self, conditioning: Array) -> Denoiser:
        """Encode conditioning [batch, frames, features] once; return what denoises under it."""
        given = torch.from_numpy(conditioning).to(self._device)
        encoding: Encoding = self._network.encoder(given)

        @torch.no_grad()
        def denoise(noisy: Array, sigma: float) -> Array:
            latents = torch.from_numpy(noisy).to(self._device)
            denoised = denoise_at(self._network, latents, sigma, encoding, given)
            return np.asarray(denoised.cpu().numpy())

        return denoise


class Listening(Callback):
    """Writes audio of one validation song to TensorBoard after each validation.

    Three clips: with chords and beats given, from the voice alone, and what the codec makes of
    the true band.

    Args:
        codec: Trained codec.
        example: The song.
        config: Steps, guidance and window of the sampler.
    """

    def __init__(self, codec: CodecVAE, example: Example, config: SamplerConfig) -> None:
        self._codec, self._config = codec, config
        frames = min(512, len(example.parameters) // 16 * 16)
        self._parameters = example.parameters[:frames].astype(np.float32)
        self._conditions = example.conditions[:frames].astype(np.float32)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Sample, decode and log; the averaged weights are in place at this moment."""
        writer: Any = getattr(trainer.logger, "experiment", None)
        if writer is None or not isinstance(pl_module.model, DenoiserNetwork):
            return
        codec = self._codec.to(pl_module.device)
        given = torch.from_numpy(self._parameters)[None].to(pl_module.device)
        clips = {"codec": codec.encode(given).float().cpu().numpy()}
        # One song is heard; compiling for its shape would take longer than it does.
        with torch.compiler.set_stance("force_eager"):
            for name, kept in (("given", c.KNOWN.start), ("vocal", c.VOCAL.stop)):
                clips[name] = self.generate(pl_module.model, kept)
        for name, latents in clips.items():
            decoded = codec.decode(torch.from_numpy(latents).to(pl_module.device))[0]
            waveform = synthesize(Parameters.from_array(decoded.float().cpu().numpy()))
            loudest = max(float(np.abs(waveform).max()), 1e-6)
            mono = torch.from_numpy(waveform.mean(axis=0, keepdims=True) * min(1.0, 0.9 / loudest))
            writer.add_audio(name, mono, trainer.global_step, sample_rate=SAMPLE_RATE)

    def generate(self, network: DenoiserNetwork, kept: int) -> Array:
        """Latents [1, frames, channels] from the first `kept` condition features of the song."""
        conditioning = np.zeros((1, len(self._conditions), c.NUM_CONDITIONS), dtype=np.float32)
        conditioning[0, :, :kept] = self._conditions[:, :kept]
        guidance = guided(TorchDenoiser(network), conditioning, self._config, EvaluationCount())
        shape = (1, len(self._conditions), network.config.num_channels)
        noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return sampled(guidance, noise, self._config)
