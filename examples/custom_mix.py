"""A mix of one's own: the band softer while the voice sings, in numpy.

pip install banso; python custom_mix.py [VOCALS]
"""

import sys
from pathlib import Path

import numpy as np

from banso import Accompanist, Audio
from banso.files import read_audio, write_audio
from banso.options import GenerationOptions
from banso.truepeak import true_peak

here = Path(__file__).parent
vocals = read_audio(sys.argv[1] if len(sys.argv) > 1 else here / "vocal.flac")
band = Accompanist.from_bundle().accompany(vocals, GenerationOptions(seed=7)).audio
voice = vocals.to_stereo().resampled(band.sample_rate)

# Level of the voice over 50 ms, smoothed over a third of a second, as a gain of 0 to -6 dB.
block = band.sample_rate // 20
levels = np.sqrt(
    [
        np.mean(np.square(p))
        for p in np.array_split(voice.samples, voice.num_samples // block, axis=1)
    ]
)
smooth = np.convolve(levels / levels.max(), np.hanning(9)[1:-1] / np.hanning(9).sum(), mode="same")
gain_db = -6 * np.clip(2 * smooth, 0, 1)
gain = 10 ** (
    np.interp(np.linspace(0, 1, band.num_samples), np.linspace(0, 1, len(gain_db)), gain_db) / 20
)

mix = voice.samples + band.samples * gain.astype(np.float32)
# The true peak, between the samples, stays at or below -1 dBTP.
mix *= min(1.0, 0.89 / true_peak([mix]))
write_audio(here / "custom-mix.wav", Audio(mix, band.sample_rate), overwrite=True)
print(here / "custom-mix.wav")
