"""The whole way from sound to a bundle in about a minute: a toy, to see that all parts work.

pip install 'banso[train]'; python train_tiny.py
"""

from pathlib import Path

import numpy as np

from banso.bundle import load_bundle
from banso.config import load_config
from banso.data.cache import cache_recording
from banso.train.loop import fit_codec, fit_denoiser
from banso.train.release import release

SAMPLE_RATE = 44_100
data = Path("tiny-data")
time = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
for number, split in enumerate(["train", "train", "train", "validation"]):
    # Eight seconds of a triad, struck twice a second: what a band sounds like to a beginner.
    root_hz = 220 * 2 ** (7 * number % 12 / 12)
    chord = sum(np.sin(2 * np.pi * root_hz * ratio * time) for ratio in (1, 5 / 4, 3 / 2))
    struck = (0.1 * chord * np.exp(-4 * (time % 0.5))).astype(np.float32)
    cache_recording(np.stack([struck, struck]), f"triad-{number}", data, split)
(data / "styles.json").write_text("[]", encoding="utf-8")

settings = [
    "train.data=tiny-data",
    "train.minutes=0.2",
    "train.max_steps=20",
    "train.precision=fp32",
]
settings += ["train.batch_size=4", "train.crop_frames=64", "train.validation_steps=10"]
settings += ["codec.encoder_dim=32", "codec.decoder_dim=32", "denoiser.encoder_dim=32"]
settings += ["denoiser.full_dim=32", "denoiser.half_dim=32", "denoiser.quarter_dim=32"]
codec = fit_codec(load_config(overrides=[*settings, "train.run=tiny-runs/codec"]))
denoiser = fit_denoiser(load_config(overrides=[*settings, "train.run=tiny-runs/denoiser"]), codec)
release(codec, denoiser, Path("tiny-bundle"), name="tiny", licence="CC0-1.0")
print(load_bundle(Path("tiny-bundle")).name, "is ready: banso accompany --bundle tiny-bundle ...")
