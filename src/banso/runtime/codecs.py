"""Codecs whose learned half is a pair of ONNX graphs: latents to sound and back.

`OnnxCodec` is the shipped kind, with parameters between latents and sound; `OnnxWaveformCodec`
goes from one to the other in one graph, as public VAEs do.
"""

import functools
from abc import ABC, abstractmethod

import numpy as np

from banso.bundle import Bundle
from banso.codec.analysis import analyze
from banso.codec.bends import NUM_BENDS, bent, missing_bends
from banso.codec.envelope import EnvelopeFilter, measure_envelope, missing_levels
from banso.codec.gains import NUM_GAINS
from banso.codec.synthesis import Synthesizer
from banso.config import DetailConfig
from banso.errors import BundleError
from banso.runtime.session import Array, Session
from banso.runtime.streams import (
    ChunkedDecoder,
    DetailSource,
    ParameterStream,
    WaveformStream,
)

CODEC_ENCODER_FILE = "codec_encoder.onnx"
CODEC_DECODER_FILE = "codec_decoder.onnx"
CODEC_RENDERER_FILE = "codec_renderer.onnx"
CODEC_ENVELOPE_FILE = "codec_envelope.onnx"
CODEC_DETAIL_FILE = "codec_detail.onnx"
CODEC_DETAIL_ENCODER_FILE = "codec_detail_encoder.onnx"

# Long pieces would only cost memory. A frame of synthesis takes about 100 kB, a frame inside a
# decoder that works on samples about 10 MB.
_PARAMETER_PIECE, _WAVEFORM_PIECE = 256, 48
# A recording's own envelope is worth two passes.
_OWN_FILTERS = 2


class _BundleCodec(ABC):
    """What the codecs of all bundles share.

    Args:
        bundle: Holds the two graphs.
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

    # Playing along never encodes; a cold start need not wait for this graph.
    @functools.cached_property
    def _encoder(self) -> Session:
        return Session(self._bundle.path(CODEC_ENCODER_FILE), self._num_threads)

    @property
    def _context_frames(self) -> int:
        return self._bundle.manifest.codec_context_frames

    @property
    @abstractmethod
    def can_tune(self) -> bool:
        """Whether it can play at another concert pitch than 440 Hz."""

    @abstractmethod
    def encode(self, waveform: Array, *, tuning_cents: float = 0.0) -> Array:
        """Latents [frames, channels] of a waveform [2, samples] at the codec's rate.

        Args:
            waveform: Any number of samples.
            tuning_cents: How far above A4 = 440 Hz it is; a decoder tuned alike gives it back.
        """

    @abstractmethod
    def decode_stream(self, *, tuning_cents: float = 0.0) -> ParameterStream | WaveformStream:
        """Begin to decode a song, some cents above A4 = 440 Hz if the codec can."""

    def roundtrip(self, waveform: Array) -> Array:
        """What the codec makes of a waveform [2, samples]: as many samples again."""
        stream = self.decode_stream()
        pieces = [stream.add(self.encode(waveform)), stream.finish()]
        return np.concatenate(pieces, axis=1)[:, : waveform.shape[1]]


class OnnxCodec(_BundleCodec):
    """The codec of a bundle: analysis and synthesis in numpy, the learned half as graphs.

    Its bundle's manifest says `codec_kind` "parameters".

    Args:
        bundle: Holds two graphs, and may hold a renderer and what hears the envelope.
        num_threads: CPU threads; None takes all that this process may use.
        renderer: Whether the bundle's renderer, if it has one, is to shape the sound.
        envelope: Whether the sound is to be given the envelope that the bundle's network, if it
            has one, hears in latents.
        detail: Whether that envelope is to have the detail that latents do not tell, if the bundle
            knows any.

    Raises:
        BundleError: If the renderer gives other gains than the synthesis takes.
    """

    def __init__(
        self,
        bundle: Bundle,
        num_threads: int | None = None,
        *,
        renderer: bool = True,
        envelope: bool = True,
        detail: bool = True,
    ) -> None:
        super().__init__(bundle, num_threads)
        self._envelope: Session | None = None
        self._detail: Session | None = None
        if envelope and bundle.has(CODEC_ENVELOPE_FILE):
            self._envelope = Session(bundle.path(CODEC_ENVELOPE_FILE), num_threads)
            if detail and bundle.has(CODEC_DETAIL_FILE):
                self._detail = Session(bundle.path(CODEC_DETAIL_FILE), num_threads)
        self._renderer: Session | None = None
        if renderer and bundle.has(CODEC_RENDERER_FILE):
            self._renderer = Session(bundle.path(CODEC_RENDERER_FILE), num_threads)
            (gains,) = bundle.manifest.graphs[CODEC_RENDERER_FILE].outputs
            if gains.shape[-1] != str(NUM_GAINS):
                raise BundleError(
                    f"the renderer of bundle {bundle.name} gives {gains.shape[-1]} gains a frame, "
                    f"this banso takes {NUM_GAINS}; make it anew with banso bundle add-renderer"
                )

    @property
    def has_renderer(self) -> bool:
        """Whether a renderer shapes what it plays."""
        return self._renderer is not None

    @property
    def _context_frames(self) -> int:
        manifest = self._bundle.manifest
        direct = 0 if self._detail is None else _settings(manifest.detail).context_frames
        further = (
            settings.context_frames
            for session, settings in (
                (self._renderer, manifest.renderer),
                (self._envelope, manifest.envelope),
            )
            if session is not None and settings is not None
        )
        return max(direct, super()._context_frames + max(further, default=0))

    @property
    def num_detail_channels(self) -> int:
        """Numbers of a frame's detail; 0 without."""
        return 0 if self._detail is None else self._num_drawn + NUM_BENDS

    @property
    def _num_drawn(self) -> int:
        """Those of its envelope."""
        return 0 if self._detail is None else _settings(self._bundle.manifest.detail).num_channels

    @functools.cached_property
    def _detail_encoder(self) -> Session:
        return Session(self._bundle.path(CODEC_DETAIL_ENCODER_FILE), self._num_threads)

    @property
    def can_tune(self) -> bool:
        """Yes: its tones have frequencies of their own."""
        return True

    def encode(self, waveform: Array, *, tuning_cents: float = 0.0) -> Array:
        """Latents [frames, channels] of a waveform [2, samples]; see `_BundleCodec`."""
        return self.encode_parameters(analyze(waveform, tuning_cents).to_array())

    def encode_parameters(self, packed: Array) -> Array:
        """Latents [frames, channels] of packed parameters [frames, 448]."""
        latents: Array = self._encoder.run(parameters=packed[None])["latents"][0]
        return latents

    def decode_parameters(self, latents: Array) -> Array:
        """Packed parameters [frames, 448] of latents [frames, channels]."""
        parameters: Array = self._decoder.run(latents=latents[None])["parameters"][0]
        return parameters

    def encode_with_detail(self, waveform: Array) -> tuple[Array, Array]:
        """Latents of a recording, and what they do not tell of its envelope and loudest tones.

        Args:
            waveform: [2, samples], tuned to 440 Hz.

        Returns:
            Latents [frames, channels] and detail [frames, num_detail_channels]: the envelope's,
            about a unit Gaussian, then `missing_bends`.
        """
        packed = analyze(waveform).to_array()
        latents = self.encode_parameters(packed)
        if self._detail is None:
            return latents, np.zeros((len(latents), 0), np.float32)
        read = self.decode_parameters(latents)
        wanted = measure_envelope(waveform).to_array()
        missing = missing_levels(wanted, self._read_envelope(latents, read))
        given = {"latents": latents[None], "missing": missing[None]}
        detail = self._detail_encoder.run(**given)["detail"][0]
        return latents, np.concatenate([detail, missing_bends(packed, read)], axis=1)

    def _read_envelope(self, latents: Array, parameters: Array) -> Array:
        """Packed envelope [frames, bands] that is read from latents and what they decode to."""
        assert self._envelope is not None
        given = {"latents": latents[None], "parameters": parameters[None]}
        envelope: Array = self._envelope.run(**given)["envelope"][0]
        return envelope

    def _decode_rows(self, given: Array) -> Array:
        """Packed parameters, and beside them an envelope and the gains of a renderer.

        Args:
            given: Latents, and beside them their detail [frames, channels + detail].

        Returns:
            [frames, 448 + bands + gains], as far as there are such.
        """
        sizes = (self.num_channels, self._num_drawn)
        latents, detail, bends = np.split(given, np.cumsum(sizes), axis=1)
        parameters = self.decode_parameters(latents)
        beside = []
        if self._envelope is not None:
            beside.append(self._read_envelope(latents, parameters))
        if self._detail is not None:
            both = {"latents": latents[None], "detail": detail[None]}
            beside[0] = beside[0] + self._detail.run(**both)["missing"][0]
            parameters = bent(parameters, bends)
        if self._renderer is not None:
            beside.append(self._renderer.run(parameters=parameters[None])["gains"][0])
        return np.concatenate([parameters, *beside], axis=1) if beside else parameters

    def decode_stream(
        self, seed: int = 0, *, tuning_cents: float = 0.0, filters: int = 1
    ) -> ParameterStream:
        """Begin to decode a song.

        Args:
            seed: Of the synthesis' noise, and of detail that is drawn.
            tuning_cents: How far above A4 = 440 Hz the tones are to be.
            filters: How many give the sound its envelope, one after the other. More than one come
                nearer to it, which is worth while if it is that of a recording.
        """
        decoder = ChunkedDecoder(self._decode_rows, self._context_frames, _PARAMETER_PIECE)
        count = 0 if self._envelope is None else filters
        shapers = [EnvelopeFilter(tuning_cents) for _ in range(count)]
        detail = DetailSource(self._num_drawn, self.num_detail_channels - self._num_drawn, seed)
        return ParameterStream(decoder, Synthesizer(seed, tuning_cents), shapers, detail)

    def roundtrip(self, waveform: Array, *, own_detail: bool = True) -> Array:
        """What the codec makes of a waveform [2, samples]: as many samples again.

        Args:
            waveform: To be encoded and decoded.
            own_detail: Whether its own detail is decoded with it; else one is drawn, as for a band
                that is made up.
        """
        if not own_detail or self._detail is None:
            return super().roundtrip(waveform)
        stream = self.decode_stream(filters=_OWN_FILTERS)
        pieces = [stream.add(*self.encode_with_detail(waveform)), stream.finish()]
        return np.concatenate(pieces, axis=1)[:, : waveform.shape[1]]


def _settings(config: DetailConfig | None) -> DetailConfig:
    """Settings that a bundle with such a graph must have."""
    if config is None:
        raise BundleError("the bundle has an envelope's detail, but its manifest does not know it")
    return config


class OnnxWaveformCodec(_BundleCodec):
    """A codec whose graphs hold waveform and latents on both sides, such as a public VAE's.

    Its bundle's manifest says `codec_kind` "waveform".
    """

    @property
    def can_tune(self) -> bool:
        """No: it plays what its latents say."""
        return False

    def encode(self, waveform: Array, *, tuning_cents: float = 0.0) -> Array:
        """Latents [frames, channels] of a waveform [2, samples]; its tuning stays in them."""
        short = -waveform.shape[1] % self.hop_length
        padded = np.pad(waveform, ((0, 0), (0, short)))
        latents: Array = self._encoder.run(waveform=padded[None])["latents"][0]
        return latents

    def decode_waveform(self, latents: Array) -> Array:
        """Samples [frames * hop_length, 2], time first, of latents [frames, channels]."""
        waveform: Array = self._decoder.run(latents=latents[None])["waveform"][0]
        return waveform.T

    def decode_stream(self, *, tuning_cents: float = 0.0) -> WaveformStream:
        """Begin to decode a song; its tuning is in the latents and stays as it is."""
        return WaveformStream(
            ChunkedDecoder(
                self.decode_waveform, self._context_frames, _WAVEFORM_PIECE, self.hop_length
            )
        )
