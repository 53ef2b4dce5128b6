"""Networks as ONNX Runtime sessions, loaded from a bundle.

`OnnxDenoiser` is what the sampler calls, `OnnxCodec` and `OnnxWaveformCodec` turn latents into
sound and back. All take and give numpy arrays.
Only `banso.runtime.session` imports `onnxruntime`.
"""

from dataclasses import dataclass

from banso.bundle import Bundle
from banso.errors import BundleError
from banso.runtime.codecs import (
    CODEC_DECODER_FILE,
    CODEC_DETAIL_ENCODER_FILE,
    CODEC_DETAIL_FILE,
    CODEC_ENCODER_FILE,
    CODEC_ENVELOPE_FILE,
    CODEC_RENDERER_FILE,
    OnnxCodec,
    OnnxWaveformCodec,
)
from banso.runtime.networks import CONTEXT_NAMES, OnnxDenoiser
from banso.runtime.session import Array, Session
from banso.runtime.streams import ChunkedDecoder, ParameterStream, WaveformStream

__all__ = [
    "CODEC_DECODER_FILE",
    "CODEC_DETAIL_ENCODER_FILE",
    "CODEC_DETAIL_FILE",
    "CODEC_ENCODER_FILE",
    "CODEC_ENVELOPE_FILE",
    "CODEC_RENDERER_FILE",
    "CONTEXT_NAMES",
    "DENOISER_FILE",
    "ENCODER_FILE",
    "Array",
    "ChunkedDecoder",
    "Models",
    "OnnxCodec",
    "OnnxDenoiser",
    "OnnxWaveformCodec",
    "ParameterStream",
    "Session",
    "WaveformStream",
    "load_codec",
    "load_models",
]

ENCODER_FILE = "encoder.onnx"
DENOISER_FILE = "denoiser.onnx"


@dataclass(frozen=True, slots=True)
class Models:
    """The networks of a bundle.

    Attributes:
        denoiser: Conditioning and noise to latents.
        codec: Latents to sound and back.
    """

    denoiser: OnnxDenoiser
    codec: OnnxCodec | OnnxWaveformCodec


def load_models(bundle: Bundle, num_threads: int | None = None, *, renderer: bool = True) -> Models:
    """Load the networks of a bundle.

    Args:
        bundle: With a denoiser.
        num_threads: CPU threads; None takes all that this process may use.
        renderer: Whether the codec's renderer, if there is one, is to shape the sound.

    Raises:
        BundleError: If the bundle holds a codec only, or ONNX Runtime refuses a graph.
    """
    if not bundle.has(DENOISER_FILE):
        raise BundleError(f"bundle {bundle.name} holds a codec only; it cannot accompany")
    encoder = Session(bundle.path(ENCODER_FILE), num_threads)
    denoiser = OnnxDenoiser(encoder, Session(bundle.path(DENOISER_FILE), num_threads))
    return Models(denoiser, load_codec(bundle, num_threads, renderer=renderer))


def load_codec(
    bundle: Bundle,
    num_threads: int | None = None,
    *,
    renderer: bool = True,
    envelope: bool = True,
    detail: bool = True,
) -> OnnxCodec | OnnxWaveformCodec:
    """Load the codec of a bundle; see `load_models` and `OnnxCodec`."""
    if bundle.manifest.codec_kind == "waveform":
        return OnnxWaveformCodec(bundle, num_threads)
    return OnnxCodec(bundle, num_threads, renderer=renderer, envelope=envelope, detail=detail)
