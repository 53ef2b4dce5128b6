"""How loud each band of frequencies is, in true bands and in bands that are made up.

Mean loudness (power to the 0.23) of 80 mel bands, mid and side, of songs of the same level, above
1.5 kHz and below 80 Hz weighted roughly as for LUFS. The difference of ours from the true, dB: its
mean over bands, and every fifth of them. A band is made up with what is known of the denoiser's
mean error, and without. One JSON line is appended to `benchmarks/results/balance.jsonl`.

    python benchmarks/bench_balance.py --data work/bands --songs 32

References:
    Zwicker and Fastl 2007, "Psychoacoustics", chapter 8 (specific loudness).
    ITU-R BS.1770-4 (weighting).
"""

import argparse
import dataclasses
from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray
from records import keep

from banso.audio import Audio
from banso.eval.fidelity import mid_side_mel
from banso.eval.sets import EvalItem, load_items
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

RESULTS = Path(__file__).parent / "results" / "balance.jsonl"
_EXPONENT = 0.23
_EVERY = 5
_HZ = librosa.mel_frequencies(n_mels=82, fmax=16_000)[1:-1]  # as `mid_side_mel`
_WEIGHT = 10 ** (np.where(_HZ < 80, -6.0, np.where(_HZ > 1_500, 3.5, 0.0)) / 10)

Loudness = NDArray[np.float64]


def loudness(samples: NDArray[np.float32], sample_rate: int) -> Loudness:
    """Mean loudness [mid and side, mels] of a waveform [2, samples], beside the level of mid."""
    power = mid_side_mel(samples, sample_rate).astype(np.float64)
    level = (power[0] * _WEIGHT[:, None]).sum(axis=0).mean()
    return np.asarray(((power / level) ** _EXPONENT).mean(axis=2))


def measure(data: Path, num_songs: int, seconds: float) -> dict[str, object]:
    """Measure true bands, and bands made up for their voices from as many seeds."""
    accompanist = Accompanist.from_bundle(num_threads=1)
    own = accompanist.sampler
    samplers = {"ours": own, "bias kept": dataclasses.replace(own, bias=(), bias_sigmas=())}
    rows: dict[str, list[Loudness]] = {"true": []}

    def made(item: EvalItem, seed: int) -> Loudness:
        voice = Audio(item.read_vocals(), item.sample_rate)
        audio = accompanist.accompany(voice, GenerationOptions(seed=seed)).audio
        return loudness(audio.samples, audio.sample_rate)

    items = load_items(data, split="test", limit=num_songs, max_seconds=seconds)
    for seed, item in enumerate(items):
        assert item.read_accompaniment is not None
        rows["true"].append(loudness(item.read_accompaniment(), item.sample_rate))
        for name, sampler in samplers.items():
            accompanist.sampler = sampler
            rows.setdefault(name, []).append(made(item, seed))
    means = {name: np.mean(each, axis=0) for name, each in rows.items()}
    differences = {name: _difference(means[name], means["true"]) for name in samplers}
    bundle = f"{accompanist.bundle.name} {accompanist.bundle.hash}"
    hz = [round(float(each)) for each in _HZ[::_EVERY]]
    return {"bundle": bundle, "songs": len(rows["true"]), "hz": hz, **differences}


def _difference(ours: Loudness, true: Loudness) -> dict[str, object]:
    off = 10 / _EXPONENT * np.log10(ours / true)
    found: dict[str, object] = {}
    for name, row in zip(("mid", "side"), off, strict=True):
        found[f"{name}_mean_db"] = round(float(np.abs(row).mean()), 2)
        found[f"{name}_db"] = [round(float(each), 1) for each in row[::_EVERY]]
    return found


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--songs", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=24.0)
    options = parser.parse_args()
    keep(RESULTS, measure(options.data, options.songs, options.seconds))


if __name__ == "__main__":
    main()
