"""What happens to a voice on its way into a phone: noise, rooms, bands, clipping, bleed, gaps.

Rooms are made up or measured ones; lossy codecs are the real ones, run by ffmpeg.
"""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from banso.data.lossy import through_codec

_Wave = NDArray[np.float32]
_SNR_DB = (0.0, 40.0)


def augment_vocals(
    vocals: _Wave,
    accompaniment: _Wave,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    clean_chance: float = 0.25,
    rooms: Sequence[_Wave] = (),
    codecs: bool = False,
) -> _Wave:
    """Return the vocals as a worse microphone in a worse place would have recorded them.

    Args:
        vocals: Dry voice [samples].
        accompaniment: The band of the same time [channels, samples]; some leaks into the voice.
        sample_rate: Hz.
        rng: Decides what happens and how much.
        clean_chance: How often nothing happens.
        rooms: Measured impulse responses to use besides made-up ones; see `banso.data.rooms`.
        codecs: Whether ffmpeg may squeeze the voice through a lossy codec.

    Returns:
        Waveform [samples], peak at most 0.98; the same samples where nothing happens.
    """
    if rng.random() < clean_chance:
        return vocals
    power = float(np.mean(np.square(vocals)))
    if power == 0.0:
        return vocals
    wave = vocals
    if rng.random() < 0.15:
        wave = with_gaps(wave, sample_rate, rng)
    if rng.random() < 0.3:
        wave = wave + bleed(wave, accompaniment, rng)
    if rng.random() < 0.4:
        wave = in_room(wave, sample_rate, rng, rooms)
    if rng.random() < 0.5:
        wave = wave + noise(len(wave), power, sample_rate, rng)
    if rng.random() < 0.25:
        wave = through_phone(wave, sample_rate, rng)
    if rng.random() < 0.15:
        wave = overdriven(wave, rng)
    wave = wave * np.float32(10 ** (rng.uniform(-12, 4) / 20))
    if rng.random() < 0.1:
        wave = clipped(wave, rng)
    if codecs and rng.random() < 0.12:
        wave = through_codec(wave, sample_rate, rng)
    peak = float(np.max(np.abs(wave)))
    return np.asarray(wave * min(1.0, 0.98 / max(peak, 1e-9)), np.float32)


def noise(num_samples: int, power: float, sample_rate: int, rng: np.random.Generator) -> _Wave:
    """Return white, pink or mains noise up to 40 dB below a signal of the given power."""
    kind = str(rng.choice(("white", "pink", "hum")))
    wave = rng.standard_normal(num_samples, dtype=np.float32)
    if kind == "pink":
        wave = _filtered(wave, lambda hz: 1 / np.sqrt(np.maximum(hz, 20)), sample_rate)
    elif kind == "hum":
        base = float(rng.choice((50.0, 60.0))) * rng.uniform(0.995, 1.005)
        phase = 2 * np.pi * base * np.arange(num_samples) / sample_rate
        partials = [np.sin(k * phase + rng.uniform(0, 6.3)) / k for k in (1, 2, 3, 5)]
        wave = np.sum(partials, axis=0, dtype=np.float32)
    snr_db = rng.uniform(*_SNR_DB)
    wanted = np.sqrt(power * 10 ** (-snr_db / 10))
    return np.asarray(wave * (wanted / np.sqrt(np.mean(np.square(wave)))), np.float32)


def in_room(
    wave: _Wave, sample_rate: int, rng: np.random.Generator, rooms: Sequence[_Wave] = ()
) -> _Wave:
    """Add a room: a measured one half of the time if there are any, else a made-up one."""
    measured = bool(rooms) and rng.random() < 0.5
    if measured:
        response = rooms[int(rng.integers(len(rooms)))].copy()
        # A singer is nearer to the microphone than a loudspeaker at the other end of a hall.
        response[round(0.002 * sample_rate) :] *= np.float32(10 ** (rng.uniform(-18, 0) / 20))
    else:
        response = _made_up_room(sample_rate, rng)
    wet = oaconvolve(wave, response)
    return np.asarray(wet[: len(wave)], np.float32)


def _made_up_room(sample_rate: int, rng: np.random.Generator) -> _Wave:
    """Exponentially fading noise after the direct sound, duller the later."""
    seconds = rng.uniform(0.15, 0.9)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail[: round(rng.uniform(0.002, 0.02) * sample_rate)] = 0.0
    tail = np.convolve(tail, np.ones(int(rng.integers(2, 8))), mode="same")
    response = tail * (10 ** (rng.uniform(-15, 0) / 20) / np.sqrt(np.sum(np.square(tail))))
    response[0] = 1.0
    return np.asarray(response, np.float32)


def through_phone(wave: _Wave, sample_rate: int, rng: np.random.Generator) -> _Wave:
    """Keep only the band that a small microphone or a call lets through."""
    low, high = rng.uniform(80, 350), rng.uniform(3000, 9000)

    def gain(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        rumble = (hz / low) ** 4
        return np.asarray(rumble / (1 + rumble) / (1 + (hz / high) ** 8))

    return _filtered(wave, gain, sample_rate)


def overdriven(wave: _Wave, rng: np.random.Generator) -> _Wave:
    """Clip softly, as an input that is 3 to 12 dB too hot does."""
    drive = 10 ** (rng.uniform(3, 12) / 20) / max(float(np.max(np.abs(wave))), 1e-9)
    return np.asarray(np.tanh(wave * drive) / drive, np.float32)


def clipped(wave: _Wave, rng: np.random.Generator) -> _Wave:
    """Clip hard, as a converter does whose full scale is 2 to 10 dB below the peak."""
    limit = float(np.max(np.abs(wave))) * 10 ** (-rng.uniform(2, 10) / 20)
    return np.asarray(np.clip(wave, -limit, limit), np.float32)


def bleed(wave: _Wave, accompaniment: _Wave, rng: np.random.Generator) -> _Wave:
    """Return what the headphones leak: the band 15 to 30 dB below the voice."""
    band = accompaniment.mean(axis=0)
    power = float(np.mean(np.square(band)))
    if power == 0.0:
        return np.zeros_like(wave)
    wanted = float(np.mean(np.square(wave))) * 10 ** (-rng.uniform(15, 30) / 10)
    return np.asarray(band * np.sqrt(wanted / power), np.float32)


def with_gaps(wave: _Wave, sample_rate: int, rng: np.random.Generator) -> _Wave:
    """Silence a few stretches of 0.05 to 1 s, as dropped packets or a moved microphone do."""
    gapped = wave.copy()
    for _ in range(int(rng.integers(1, 6))):
        length = round(rng.uniform(0.05, 1.0) * sample_rate)
        start = int(rng.integers(0, max(1, len(wave) - length)))
        gapped[start : start + length] = 0.0
    return gapped


def _filtered(
    wave: _Wave, gain: Callable[[NDArray[np.float64]], NDArray[np.float64]], sample_rate: int
) -> _Wave:
    """Filter the whole wave without delay."""
    size = scipy.fft.next_fast_len(len(wave), real=True)
    spectrum = scipy.fft.rfft(wave, size)
    spectrum *= gain(np.arange(len(spectrum)) * (sample_rate / size)).astype(np.float32)
    return np.asarray(scipy.fft.irfft(spectrum, size)[: len(wave)], np.float32)
