"""Latents that arrive in pieces, to sound in pieces; the seams are exact."""

from collections.abc import Callable, Sequence

import numpy as np

from banso.codec.envelope import NUM_ENVELOPE, Envelope, EnvelopeFilter
from banso.codec.parameters import NUM_PARAMETERS, Parameters
from banso.codec.synthesis import Synthesizer
from banso.runtime.session import Array

# So much of synthesis fits the processor's cache: 15 % faster than whole pieces.
_PLAYED_PIECE = 64
_NO_ENVELOPE = Envelope.from_array(np.zeros((0, NUM_ENVELOPE), np.float32))


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


class DetailSource:
    """Draws detail from a unit Gaussian; in pieces the same as at once.

    Args:
        num_channels: Numbers of a frame that are drawn.
        num_zeros: Numbers after them that are zero unless they are given.
        seed: Decides them.
    """

    def __init__(self, num_channels: int = 0, num_zeros: int = 0, seed: int = 0) -> None:
        self._width, self._zeros = num_channels, num_zeros
        self._random = np.random.default_rng((seed, 1))

    def beside(self, latents: Array, detail: Array | None = None) -> Array:
        """Put detail beside latents [frames, channels]; None draws it."""
        if detail is None:
            frames = len(latents)
            drawn = self._random.standard_normal((frames, self._width), dtype=np.float32)
            detail = np.concatenate([drawn, np.zeros((frames, self._zeros), np.float32)], axis=1)
        return np.concatenate([latents, detail], axis=1)


class ParameterStream:
    """Latents to sound, piece by piece, by way of packed parameters.

    Args:
        decoder: Latents to packed parameters, with or without envelope and gains beside them.
        synthesizer: Plays them.
        shapers: Give what is played, one after the other, the envelope beside the parameters.
        detail: Draws what the envelope has besides what latents tell.
    """

    def __init__(
        self,
        decoder: ChunkedDecoder,
        synthesizer: Synthesizer,
        shapers: Sequence[EnvelopeFilter] = (),
        detail: DetailSource | None = None,
    ) -> None:
        self._decoder, self._synthesizer, self._shapers = decoder, synthesizer, shapers
        self._detail = detail or DetailSource()

    def add(self, latents: Array, detail: Array | None = None) -> Array:
        """Take the next latents, return what is ready, [2, samples], possibly none.

        Args:
            latents: [frames, channels].
            detail: Of these frames [frames, detail channels]; None draws it.
        """
        return self._play(self._decoder.add(self._detail.beside(latents, detail)))

    def finish(self) -> Array:
        """Return the rest, [2, samples]."""
        played = self._play(self._decoder.finish())
        rest = played[:, :0]
        for shaper in self._shapers:
            rest = np.concatenate([shaper.add(rest, _NO_ENVELOPE), shaper.finish()], axis=1)
        return np.concatenate([played, rest], axis=1)

    def _play(self, pieces: list[Array]) -> Array:
        played = [np.zeros((2, 0), dtype=np.float32)]
        for piece in pieces:
            for start in range(0, len(piece), _PLAYED_PIECE):
                played.append(self._played(piece[start : start + _PLAYED_PIECE]))
        return np.concatenate(played, axis=1)

    def _played(self, rows: Array) -> Array:
        """Sound of some frames, as far as it is ready."""
        width = NUM_ENVELOPE if self._shapers else 0
        packed, envelope, gains = np.split(rows, [NUM_PARAMETERS, NUM_PARAMETERS + width], axis=1)
        parameters = Parameters.from_array(packed)
        sound = self._synthesizer.add(parameters, gains if gains.size else None)
        for shaper in self._shapers:
            sound = shaper.add(sound, Envelope.from_array(envelope))
        return sound


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
