"""The same voices clean and spoilt in one way each: how much does the band suffer?

Every condition has one fixed strength, so that the drops of two models compare. What a room or a
gap is, is decided by a generator per item, the same in every run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from banso.audio import Audio
from banso.data import augment
from banso.eval.codecs import opus_roundtrip
from banso.eval.gallery import Rendition
from banso.eval.hearing import Array
from banso.eval.sets import EvalItem
from banso.eval.stems import STEM_RATE

CLEAN = "clean"
_OPUS_KBITS = 12  # what a phone call over the internet gets
_SNRS_DB = (40, 20, 10, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A voice to be spoilt, and what is around it.

    Attributes:
        samples: Mono [samples] at 44.1 kHz.
        band: The true accompaniment [2, samples], which may leak.
    """

    samples: Array
    band: Array


Condition = Callable[[Voice, np.random.Generator], Array]


def conditions() -> Mapping[str, Condition]:
    """Return every way to spoil a voice, by name, the clean one first."""

    def noisy(snr_db: float) -> Condition:
        return lambda voice, rng: with_noise(voice.samples, snr_db, rng)

    return {
        CLEAN: lambda voice, rng: voice.samples,
        **{f"noise {snr} dB": noisy(snr) for snr in _SNRS_DB},
        "room": lambda voice, rng: augment.in_room(voice.samples, STEM_RATE, rng),
        "phone band": lambda voice, rng: augment.through_phone(voice.samples, STEM_RATE, rng),
        "clipping": lambda voice, rng: augment.overdriven(voice.samples, rng),
        "lossy codec": _coded,
        "bleed": lambda voice, rng: voice.samples + augment.bleed(voice.samples, voice.band, rng),
        "gaps": lambda voice, rng: augment.with_gaps(voice.samples, STEM_RATE, rng),
    }


def with_noise(samples: Array, snr_db: float, rng: np.random.Generator) -> Array:
    """Add noise of a kind that the generator draws, at an exact distance to the voice.

    Args:
        samples: Mono [samples] at 44.1 kHz.
        snr_db: Power of the whole voice, pauses included, over that of the noise.
        rng: Decides kind and noise.
    """
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    drawn = augment.noise(len(samples), max(power, 1e-12), STEM_RATE, rng)
    own = float(np.mean(np.square(drawn, dtype=np.float64)))
    gain = np.sqrt(power * 10 ** (-snr_db / 10) / max(own, 1e-20))
    return np.asarray(samples + drawn * np.float32(gain), np.float32)


def spoilt(
    make: Callable[[EvalItem, Audio], Rendition], name: str
) -> Callable[[EvalItem], Rendition]:
    """Make bands from the voices of one condition.

    Args:
        make: Makes a band for an item from a voice in place of its own.
        name: One of `conditions`.
    """
    condition = conditions()[name]

    def make_spoilt(item: EvalItem) -> Rendition:
        read = item.read_accompaniment
        voice = Audio(item.read_vocals(), item.sample_rate).to_mono().resampled(STEM_RATE)
        samples = voice.samples[0]
        band = np.zeros((2, len(samples)), np.float32)
        if read is not None:
            true = Audio(read(), item.sample_rate).resampled(STEM_RATE).samples[:, : len(samples)]
            band[:, : true.shape[1]] = true
        rng = np.random.default_rng([crc32(name.encode()), crc32(item.name.encode())])
        wave = condition(Voice(samples, band), rng)
        peak = float(np.abs(wave).max(initial=0.0))
        return make(item, Audio((wave * min(1.0, 0.98 / max(peak, 1e-9)))[None], STEM_RATE))

    return make_spoilt


def _coded(voice: Voice, rng: np.random.Generator) -> Array:
    del rng
    coded = opus_roundtrip(np.stack([voice.samples] * 2), _OPUS_KBITS)
    return np.asarray(coded[0], np.float32)
