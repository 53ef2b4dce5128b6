"""Public audio VAEs of the Oobleck family as codecs: Stable Audio Open 1.0, ACE-Step 1.5.

Their weights are used only when a user names them, by folder or by hub id, and are never part of
banso: Stable Audio Open's are gated, with a licence of their own; ACE-Step's are MIT. The network
is `diffusers`' `AutoencoderOobleck`; here are only the change of layout and the export.

References:
    Evans et al. 2024, "Stable Audio Open", arXiv:2407.14358, §3.1 (the VAE).
    Kumar et al. 2023, arXiv:2306.06546 (snake activations and residual units it builds on).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderOobleck
from torch import Tensor, nn
from torch.nn.utils import remove_weight_norm

from banso.errors import BundleError

ENCODER_FILE = "encoder.onnx"
DECODER_FILE = "decoder.onnx"
_OPSET = 18
# Export from a length that no axis could mistake for a constant; any other works afterwards.
_EXAMPLE_BATCH = 2
_EXAMPLE_FRAMES = 5


class OobleckCodec(nn.Module):
    """A torch codec: waveform [batch, 2, samples] ⇄ latents [batch, frames, channels].

    Args:
        vae: The network; it is put into evaluation mode.

    Attributes:
        sample_rate: Hz.
        hop_length: Samples per latent frame.
        num_channels: Latent channels.
    """

    def __init__(self, vae: Any) -> None:  # noqa: ANN401 - diffusers has no types
        super().__init__()
        self.vae = vae.eval()
        self.sample_rate = int(vae.config.sampling_rate)
        self.hop_length = math.prod(vae.config.downsampling_ratios)
        self.num_channels = int(vae.config.decoder_input_channels)

    def encode(self, waveform: Tensor) -> Tensor:
        """Encode to the posterior's mean.

        Args:
            waveform: [batch, channels, samples] of any length; zeros fill up the last frame.

        Returns:
            Latents [batch, ceil(samples / hop_length), channels].
        """
        missing = -waveform.shape[-1] % self.hop_length
        return _Encoder(self.vae).forward(nn.functional.pad(waveform, (0, missing)))

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents [batch, frames, channels] to [batch, channels, frames · hop_length]."""
        return _Decoder(self.vae).forward(latents)


@dataclass(frozen=True, slots=True)
class OobleckExport:
    """The two graphs of an exported VAE and what a bundle's manifest says about them.

    Attributes:
        encoder: `waveform` [batch, channels, samples] → `latents` [batch, frames, channels];
            samples must be a multiple of the hop length.
        decoder: `latents` → `waveform`.
        sample_rate: Hz.
        hop_length: Samples per latent frame.
        num_channels: Latent channels.
    """

    encoder: Path
    decoder: Path
    sample_rate: int
    hop_length: int
    num_channels: int


def load_oobleck(name: str | Path) -> OobleckCodec:
    """Load a public VAE that the user names.

    Args:
        name: A local folder with `config.json` and safetensors weights (or whose subfolder `vae`
            has them), or a hub id such as `stabilityai/stable-audio-open-1.0`, which is fetched.

    Returns:
        The codec in evaluation mode, on the CPU.

    Raises:
        BundleError: If it cannot be loaded, with the loader's reason.
    """
    # Both published repositories keep the VAE beside other parts, in a folder of this name.
    is_whole = Path(name).is_dir() and (Path(name) / "config.json").is_file()
    subfolder = None if is_whole else "vae"
    try:
        vae = AutoencoderOobleck.from_pretrained(  # type: ignore[no-untyped-call]
            str(name), subfolder=subfolder, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BundleError(f"cannot load the codec '{name}': {reason}") from error
    return OobleckCodec(vae)


def export_oobleck(codec: OobleckCodec, folder: Path) -> OobleckExport:
    """Write `encoder.onnx` and `decoder.onnx` with dynamic batch and length.

    Args:
        codec: What to export; its weight normalisation is folded into plain weights for good.
        folder: Where to; made if it does not exist.

    Returns:
        Paths and shapes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _fold_weight_norm(codec.vae)
    hop, channels = codec.hop_length, codec.num_channels
    num_audio = int(codec.vae.config.audio_channels)
    waveform = torch.zeros(_EXAMPLE_BATCH, num_audio, _EXAMPLE_FRAMES * hop)
    latents = torch.zeros(_EXAMPLE_BATCH, _EXAMPLE_FRAMES, channels)
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    encoder, decoder = folder / ENCODER_FILE, folder / DECODER_FILE
    _export(
        _Encoder(codec.vae), waveform, encoder, ("waveform", "latents"), {0: batch, 2: hop * frames}
    )
    _export(_Decoder(codec.vae), latents, decoder, ("latents", "waveform"), {0: batch, 1: frames})
    return OobleckExport(encoder, decoder, codec.sample_rate, hop, channels)


class _Encoder(nn.Module):
    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.encoder = vae.get_submodule("encoder")

    def forward(self, waveform: Tensor) -> Tensor:
        """Map [batch, channels, samples] to the posterior's mean [batch, frames, channels]."""
        mean, _spread = self.encoder(waveform).chunk(2, dim=1)
        out: Tensor = mean.transpose(1, 2)
        return out


class _Decoder(nn.Module):
    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.decoder = vae.get_submodule("decoder")

    def forward(self, latents: Tensor) -> Tensor:
        """Map [batch, frames, channels] to [batch, channels, samples]."""
        out: Tensor = self.decoder(latents.transpose(1, 2))
        return out


def _export(
    network: nn.Module,
    example: Tensor,
    path: Path,
    names: tuple[str, str],
    dynamic: dict[int, object],
) -> None:
    torch.onnx.export(
        network.eval(),
        (example,),
        path,
        input_names=[names[0]],
        output_names=[names[1]],
        opset_version=_OPSET,
        dynamo=True,
        dynamic_shapes=(dynamic,),
        external_data=False,
        verbose=False,
    )


def _fold_weight_norm(network: nn.Module) -> None:
    for module in network.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
