"""Networks as ONNX Runtime sessions: the only module that imports `onnxruntime`.

`OnnxDenoiser` is what the sampler calls, `OnnxCodec` and `OnnxWaveformCodec` turn latents into
sound and back, `OnnxPlanner` hears beats and chords in a voice. All take and give numpy arrays.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from banso.bundle import Bundle
from banso.codec.analysis import analyze
from banso.codec.parameters import NUM_PARAMETERS, Parameters
from banso.codec.synthesis import Synthesizer
from banso.conditioning import KNOWN
from banso.config import LatentFormat
from banso.errors import BundleError
from banso.planning import PlanAnswers
from banso.sampler import Denoiser

Array = NDArray[np.float32]

ENCODER_FILE = "encoder.onnx"
DENOISER_FILE = "denoiser.onnx"
CODEC_ENCODER_FILE = "codec_encoder.onnx"
CODEC_DECODER_FILE = "codec_decoder.onnx"
PLANNER_FILE = "planner.onnx"
# In this order both as outputs of the encoder and as inputs of the denoiser.
CONTEXT_NAMES = ("context_full", "half_keys", "half_values", "quarter_keys", "quarter_values")

# Long pieces would only cost memory. A frame of synthesis takes about 100 kB, a frame inside a
# decoder that works on samples about 10 MB.
_PARAMETER_PIECE, _WAVEFORM_PIECE = 256, 48
# The planner attends over all it is given, so what is longer than 190 s is heard in parts, each
# with 24 s more on either side. Multiples of 16 frames.
_PLANNER_FRAMES, _PLANNER_CONTEXT = 4_096, 512


class Session:
    """One ONNX graph, ready to run.

    Args:
        path: ONNX file.
        num_threads: CPU threads; None takes all that this process may use.
    """

    def __init__(self, path: Path, num_threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or _available_cores()
        options.log_severity_level = 3
        # Threads that wait by spinning take the cores from whatever else runs, numpy included: with
        # it, a step of the denoiser took 0.11-0.15 s on two busy cores, without it 0.08 s.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's exceptions have no common root of their own.
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"ONNX Runtime cannot load {path}: {reason}") from error
        self._inputs = {node.name for node in self._session.get_inputs()}
        self.output_names = tuple(node.name for node in self._session.get_outputs())

    def run(self, **inputs: Array) -> dict[str, Array]:
        """Run the graph; inputs that the graph does not have are left out.

        Returns:
            Outputs by name.
        """
        # An exporter may drop an input that has no influence, for example an unused view.
        feed = {
            name: np.ascontiguousarray(value, dtype=np.float32)
            for name, value in inputs.items()
            if name in self._inputs
        }
        outputs = self._session.run(self.output_names, feed)
        return dict(zip(self.output_names, outputs, strict=True))


class OnnxDenoiser:
    """The denoiser of a bundle.

    Args:
        encoder: Graph `conditioning` -> contexts.
        hourglass: Graph `latents`, `sigma`, contexts, `known` -> `denoised`.
    """

    def __init__(self, encoder: Session, hourglass: Session) -> None:
        self._encoder, self._hourglass = encoder, hourglass

    def condition(self, conditioning: Array) -> Denoiser:
        """Encode the conditioning [batch, frames, features] once, for all steps to come."""
        context = self._encoder.run(conditioning=conditioning)
        known = np.ascontiguousarray(conditioning[..., KNOWN])

        def denoise(noisy: Array, sigma: float) -> Array:
            levels = np.full(len(noisy), sigma, dtype=np.float32)
            return self._hourglass.run(latents=noisy, sigma=levels, known=known, **context)[
                "denoised"
            ]

        return denoise


class OnnxPlanner:
    """The planner of a bundle: beats and chords, frame by frame, as it hears them in a voice.

    Args:
        planner: Graph `vocal` -> `beat`, `downbeat`, `chord`.
    """

    def __init__(self, planner: Session) -> None:
        self._planner = planner

    def answer(self, vocal: Array) -> PlanAnswers:
        """Answer for a whole song; time and memory grow no faster than its length.

        Args:
            vocal: The vocal group of the conditioning [frames, 84]; frames a multiple of 16.
        """
        frames, context = len(vocal), _PLANNER_CONTEXT
        step = _PLANNER_FRAMES - 2 * context if frames > _PLANNER_FRAMES else _PLANNER_FRAMES
        parts: list[list[Array]] = []
        for start in range(0, frames, step):
            stop = min(start + step, frames)
            first = max(0, start - context)
            heard = self._planner.run(vocal=vocal[None, first : stop + context])
            full, quarter = (slice((start - first) // n, (stop - first) // n) for n in (1, 4))
            cut = {"beat": full, "downbeat": full, "chord": quarter}
            parts.append([heard[name][0, where] for name, where in cut.items()])
        return PlanAnswers(*(np.concatenate(part) for part in zip(*parts, strict=True)))


class ChunkedDecoder:
    """Runs a decoder over latents that arrive in pieces; the seams are exact.

    A frame is decoded once its neighbours on both sides are there, as many as it depends on, so
    pieces decode to the same as the whole.

    Args:
        decode: Maps latents [frames, channels] to rows, `rows_per_frame` to each frame.
        context_frames: How far to each side a decoded frame depends on latents.
        piece_frames: The most that is decoded at once, context aside.
        rows_per_frame: For example 1 for parameters, the hop length for samples.
    """

    def __init__(
        self,
        decode: Callable[[Array], Array],
        context_frames: int,
        piece_frames: int,
        rows_per_frame: int = 1,
    ) -> None:
        self._decode, self._context = decode, context_frames
        self._piece, self._ratio = piece_frames, rows_per_frame
        self._held: Array | None = None
        self._done = 0  # of the frames held, those already given out

    def add(self, latents: Array) -> list[Array]:
        """Take the next latents [frames, channels]; return what can be decoded, in pieces."""
        self._held = latents if self._held is None else np.concatenate([self._held, latents])
        return self._up_to(len(self._held) - self._context)

    def finish(self) -> list[Array]:
        """Decode the rest, in pieces."""
        return [] if self._held is None else self._up_to(len(self._held))

    def _up_to(self, end: int) -> list[Array]:
        pieces: list[Array] = []
        while self._held is not None and self._done < end:
            stop = min(end, self._done + self._piece)
            rows = self._decode(self._held[: stop + self._context])
            pieces.append(rows[self._done * self._ratio : stop * self._ratio])
            forget = max(0, stop - self._context)
            self._held, self._done, end = self._held[forget:], stop - forget, end - forget
        return pieces


class OnnxCodec:
    """The codec of a bundle: analysis and synthesis in numpy, the learned half as graphs.

    Args:
        bundle: Its manifest says `codec_kind` "parameters".
        num_threads: CPU threads; None takes all that this process may use.
    """

    def __init__(self, bundle: Bundle, num_threads: int | None = None) -> None:
        self._bundle, self._num_threads = bundle, num_threads
        self._decoder = Session(bundle.path(CODEC_DECODER_FILE), num_threads)

    @property
    def _format(self) -> LatentFormat:
        return self._bundle.manifest.latents

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._format.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return self._format.hop_length

    @property
    def num_channels(self) -> int:
        """Numbers per latent frame."""
        return self._format.num_channels

    # Playing along never encodes; a cold start need not wait for this graph.
    @functools.cached_property
    def _encoder(self) -> Session:
        return Session(self._bundle.path(CODEC_ENCODER_FILE), self._num_threads)

    def encode(self, waveform: Array) -> Array:
        """Latents [frames, channels] of a waveform [2, samples] at the codec's rate."""
        packed = analyze(waveform).to_array()
        latents: Array = self._encoder.run(parameters=packed[None])["latents"][0]
        return latents

    def decode_parameters(self, latents: Array) -> Array:
        """Packed parameters [frames, 448] of latents [frames, channels]."""
        parameters: Array = self._decoder.run(latents=latents[None])["parameters"][0]
        return parameters

    def decode_stream(self, seed: int = 0) -> "ParameterStream":
        """Begin to decode a song.

        Args:
            seed: Of the synthesis' noise.
        """
        context = self._bundle.manifest.codec_context_frames
        decoder = ChunkedDecoder(self.decode_parameters, context, _PARAMETER_PIECE)
        return ParameterStream(decoder, seed)

    def roundtrip(self, waveform: Array) -> Array:
        """What the codec makes of a waveform [2, samples]: as many samples again."""
        return _whole(self.decode_stream(), self.encode(waveform))[:, : waveform.shape[1]]


class ParameterStream:
    """Latents to sound, piece by piece, by way of packed parameters.

    Args:
        decoder: Latents to packed parameters.
        seed: Of the synthesis' noise.
    """

    def __init__(self, decoder: ChunkedDecoder, seed: int) -> None:
        self._decoder, self._synthesizer = decoder, Synthesizer(seed)

    def add(self, latents: Array) -> Array:
        """Take [frames, channels], return what is ready, [2, samples], possibly none."""
        return self._play(self._decoder.add(latents))

    def finish(self) -> Array:
        """Return the rest, [2, samples]."""
        return self._play(self._decoder.finish())

    def _play(self, pieces: list[Array]) -> Array:
        empty = np.zeros((0, NUM_PARAMETERS), dtype=np.float32)
        played = [self._synthesizer.add(Parameters.from_array(p)) for p in (*pieces, empty)]
        return np.concatenate(played, axis=1)


class OnnxWaveformCodec:
    """A codec whose graphs hold waveform and latents on both sides, such as a public VAE's.

    Args:
        bundle: Its manifest says `codec_kind` "waveform".
        num_threads: CPU threads; None takes all that this process may use.
    """

    def __init__(self, bundle: Bundle, num_threads: int | None = None) -> None:
        self._bundle, self._num_threads = bundle, num_threads
        self._decoder = Session(bundle.path(CODEC_DECODER_FILE), num_threads)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._bundle.manifest.latents.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return self._bundle.manifest.latents.hop_length

    @property
    def num_channels(self) -> int:
        """Numbers per latent frame."""
        return self._bundle.manifest.latents.num_channels

    @functools.cached_property
    def _encoder(self) -> Session:
        return Session(self._bundle.path(CODEC_ENCODER_FILE), self._num_threads)

    def encode(self, waveform: Array) -> Array:
        """Latents [frames, channels] of a waveform [2, samples] at the codec's rate."""
        short = -waveform.shape[1] % self.hop_length
        padded = np.pad(waveform, ((0, 0), (0, short)))
        latents: Array = self._encoder.run(waveform=padded[None])["latents"][0]
        return latents

    def decode_waveform(self, latents: Array) -> Array:
        """Samples [frames * hop_length, 2], time first, of latents [frames, channels]."""
        waveform: Array = self._decoder.run(latents=latents[None])["waveform"][0]
        return waveform.T

    def decode_stream(self) -> "WaveformStream":
        """Begin to decode a song."""
        context = self._bundle.manifest.codec_context_frames
        return WaveformStream(
            ChunkedDecoder(self.decode_waveform, context, _WAVEFORM_PIECE, self.hop_length)
        )

    def roundtrip(self, waveform: Array) -> Array:
        """What the codec makes of a waveform [2, samples]: as many samples again."""
        return _whole(self.decode_stream(), self.encode(waveform))[:, : waveform.shape[1]]


class WaveformStream:
    """Latents to sound, piece by piece, by a decoder that gives samples.

    Args:
        decoder: Latents to samples, time first.
    """

    def __init__(self, decoder: ChunkedDecoder) -> None:
        self._decoder = decoder

    def add(self, latents: Array) -> Array:
        """Take [frames, channels], return what is ready, [2, samples], possibly none."""
        return self._joined(self._decoder.add(latents))

    def finish(self) -> Array:
        """Return the rest, [2, samples]."""
        return self._joined(self._decoder.finish())

    @staticmethod
    def _joined(pieces: list[Array]) -> Array:
        return np.concatenate([np.zeros((0, 2), np.float32), *pieces]).T


@dataclass(frozen=True, slots=True)
class Models:
    """The networks of a bundle.

    Attributes:
        denoiser: Conditioning and noise to latents.
        codec: Latents to sound and back.
        planner: Voice to beats and chords; None if the bundle has none.
    """

    denoiser: OnnxDenoiser
    codec: OnnxCodec | OnnxWaveformCodec
    planner: OnnxPlanner | None = None


def load_models(bundle: Bundle, num_threads: int | None = None) -> Models:
    """Load the networks of a bundle.

    Args:
        bundle: With a denoiser.
        num_threads: CPU threads; None takes all that this process may use.

    Raises:
        BundleError: If the bundle holds a codec only, or ONNX Runtime refuses a graph.
    """
    if not bundle.has(DENOISER_FILE):
        raise BundleError(f"bundle {bundle.name} holds a codec only; it cannot accompany")
    encoder = Session(bundle.path(ENCODER_FILE), num_threads)
    denoiser = OnnxDenoiser(encoder, Session(bundle.path(DENOISER_FILE), num_threads))
    planner = None
    if bundle.has(PLANNER_FILE):
        planner = OnnxPlanner(Session(bundle.path(PLANNER_FILE), num_threads))
    return Models(denoiser, load_codec(bundle, num_threads), planner)


def load_codec(bundle: Bundle, num_threads: int | None = None) -> OnnxCodec | OnnxWaveformCodec:
    """Load the codec of a bundle; see `load_models`."""
    kind = OnnxWaveformCodec if bundle.manifest.codec_kind == "waveform" else OnnxCodec
    return kind(bundle, num_threads)


def _whole(stream: ParameterStream | WaveformStream, latents: Array) -> Array:
    return np.concatenate([stream.add(latents), stream.finish()], axis=1)


def _available_cores() -> int:
    """CPU cores that this process may run on; ONNX Runtime itself would count all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
