"""Draw what renderer and envelope do to the codec: a recording, its round trip without and with.

Without renderer and envelope, what is decoded from latents is played as it is.

    python scripts/draw_renderer.py --data work/bands --stems stems/song --out docs/renderer.png

One column for a rendered band of the test split, one for a recorded song, six seconds of each.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from banso.bundle import load_bundle
from banso.eval.codec_report import band_clips, stem_clips
from banso.eval.codecs import Clip
from banso.runtime import load_codec

_FIRST_SECONDS, _SECONDS = 20, 6
_SAMPLE_RATE = 44_100
_HIGHEST_HZ = 12_000
_SILENT_DB, _LOUD_DB = -140, -40  # of power per hertz


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="data set of `banso prepare`")
    parser.add_argument("--stems", type=Path, required=True, help="folder of a song's stems")
    parser.add_argument("--bundle", type=Path, help="by default the one inside banso")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    clips = [*band_clips(given.data, 2)[:1], *stem_clips([given.stems])]
    codecs = {
        "plain synthesis": load_codec(bundle, renderer=False, envelope=False),
        "renderer and envelope": load_codec(bundle),
    }
    figure, axes = plt.subplots(3, len(clips), figsize=(12, 8), squeeze=False, sharex=True)
    for column, clip in enumerate(clips):
        sound = excerpt(clip)
        rows = {"original": sound} | {n: codec.roundtrip(sound) for n, codec in codecs.items()}
        for axis, (name, samples) in zip(axes[:, column], rows.items(), strict=True):
            axis.specgram(
                samples.mean(axis=0) + 1e-9, NFFT=2_048, noverlap=1_536, Fs=_SAMPLE_RATE,
                vmin=_SILENT_DB, vmax=_LOUD_DB,
            )  # fmt: skip
            axis.set(ylim=(0, _HIGHEST_HZ), title=f"{clip.name}: {name}", ylabel="Hz")
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(given.out, dpi=70)
    # A fifth of the size, and no colour that anybody would miss.
    Image.open(given.out).convert("RGB").quantize(128).save(given.out, optimize=True)


def excerpt(clip: Clip) -> NDArray[np.float32]:
    """Six seconds [2, samples] from the middle of a clip, or its beginning if it is short."""
    first = _FIRST_SECONDS * _SAMPLE_RATE
    if clip.samples.shape[1] < first + _SECONDS * _SAMPLE_RATE:
        first = 0
    return np.ascontiguousarray(clip.samples[:, first : first + _SECONDS * _SAMPLE_RATE])


if __name__ == "__main__":
    main()
