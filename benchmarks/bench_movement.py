"""How much levels move from moment to moment, in true bands and in bands that are made up.

Levels of 80 mel bands every 512 samples, mid and side, those within 60 dB of the loudest: the
median change from one to the next, and the mean. A band that is made up is played twice from the
same latents, with and without the detail of its envelope. One JSON line is appended to
`benchmarks/results/movement.jsonl`.

    python benchmarks/bench_movement.py --data work/bands --songs 12
"""

import argparse
from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray
from records import keep

from banso.audio import Audio
from banso.bundle import load_bundle
from banso.eval.fidelity import mid_side_mel
from banso.eval.sets import load_items
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.runtime import load_codec

RESULTS = Path(__file__).parent / "results" / "movement.jsonl"
_RANGE_DB = 60.0


def movement(samples: NDArray[np.float32], sample_rate: int) -> dict[str, list[float]]:
    """Median and mean change of level, dB, of mid and of side of a waveform [2, samples]."""
    found = {}
    for name, power in zip(("mid", "side"), mid_side_mel(samples, sample_rate), strict=True):
        level = librosa.power_to_db(power, ref=np.max, top_db=None)
        audible = (level[:, 1:] > -_RANGE_DB) & (level[:, :-1] > -_RANGE_DB)
        change = np.abs(np.diff(level, axis=1))[audible]
        found[name] = [float(np.median(change)), float(np.mean(change))]
    return found


def measure(data: Path, num_songs: int, seconds: float) -> dict[str, object]:
    """Measure true bands, and bands made up for their voices."""
    bundle, accompanist = load_bundle(), Accompanist.from_bundle(num_threads=1)
    codecs = {"detail drawn": accompanist.codec, "detail off": load_codec(bundle, 1, detail=False)}
    rows: dict[str, list[dict[str, list[float]]]] = {"true": []}
    for item in load_items(data, split="test", limit=num_songs, max_seconds=seconds):
        rows["true"].append(movement(item.read_accompaniment(), item.sample_rate))
        for name, codec in codecs.items():
            accompanist.codec = codec
            voice = Audio(item.read_vocals(), item.sample_rate)
            made = accompanist.accompany(voice, GenerationOptions(seed=1)).audio
            rows.setdefault(name, []).append(movement(made.samples, made.sample_rate))
    means = {
        name: {k: np.round(np.mean([row[k] for row in own], axis=0), 3).tolist() for k in own[0]}
        for name, own in rows.items()
    }
    return {"bundle": f"{bundle.name} {bundle.hash}", "songs": len(rows["true"]), **means}


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--songs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=24.0)
    options = parser.parse_args()
    keep(RESULTS, measure(options.data, options.songs, options.seconds))


if __name__ == "__main__":
    main()
