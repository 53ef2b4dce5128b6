"""Lossy codecs at the low rates of calls, voice messages and old files, run by ffmpeg."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.eval.stems import run_ffmpeg


@dataclass(frozen=True, slots=True)
class LossyCodec:
    """A codec as ffmpeg runs it.

    Attributes:
        container: Format of the stream.
        encoder: Name in ffmpeg.
        kilobits: Rates to choose from, per second.
        delay: Samples to cut; Ogg says itself how many, a piped MP3 has LAME's 576 + 529.
    """

    container: str
    encoder: str
    kilobits: tuple[int, ...]
    delay: int


CODECS = {
    "opus": LossyCodec("ogg", "libopus", (8, 12, 16, 24, 32), 0),
    "mp3": LossyCodec("mp3", "libmp3lame", (32, 40, 48, 64), 1105),
}

Array = NDArray[np.float32]


def through_codec(
    wave: Array, sample_rate: int, rng: np.random.Generator, *, codec: str | None = None
) -> Array:
    """Encode and decode a voice.

    Args:
        wave: Mono [samples], within ±1 or it is clipped.
        sample_rate: Hz.
        rng: Decides codec and rate.
        codec: A key of `CODECS`; None to choose.

    Returns:
        Waveform [samples] of the same length, without delay.

    Raises:
        AudioError: If ffmpeg is missing or lacks the encoder.
    """
    chosen = CODECS[codec or str(rng.choice(list(CODECS)))]
    rate = f"{int(rng.choice(chosen.kilobits))}k"
    raw = ["-f", "f32le", "-ar", str(sample_rate), "-ac", "1"]
    encoding = ["-c:a", chosen.encoder, "-b:a", rate, "-f", chosen.container]
    sound = np.pad(np.clip(wave, -1, 1), (0, chosen.delay)).astype("<f4").tobytes()
    coded = run_ffmpeg([*raw, "-i", "pipe:0", *encoding, "pipe:1"], data=sound)
    decoded = run_ffmpeg(["-f", chosen.container, "-i", "pipe:0", *raw, "pipe:1"], data=coded)
    result = np.frombuffer(decoded, "<f4")[chosen.delay :][: len(wave)]
    return np.pad(result, (0, len(wave) - len(result))).astype(np.float32)
