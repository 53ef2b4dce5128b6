"""Is key agreement a fair judge of real singing? The metric on real voices and their own bands.

The key of the voice, read from its recording, against the key of the band that was recorded with
it: what a perfect accompaniment would score.

    banso prepare stems --root pairs --out work/real
    python benchmarks/bench_key_metric.py --data work/real
"""

import argparse
from pathlib import Path

import numpy as np

from banso.eval.hearing import hear
from banso.eval.metrics import estimate_key, key_agreement, sung_weights
from banso.eval.report import write_json
from banso.files import read_audio

RESULTS = Path(__file__).parent / "results" / "key_metric.json"


def main() -> None:
    """Measure every pair, tell, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="pairs by `banso prepare stems`")
    options = parser.parse_args()
    scores = {}
    for folder in sorted((options.data / "items").iterdir()):
        voice, band = (
            hear(audio.samples, audio.sample_rate)
            for audio in (read_audio(folder / f"{n}.flac") for n in ("vocals", "accompaniment"))
        )
        weights = sung_weights(voice)
        scores[folder.name] = {
            "key_of_voice": estimate_key(weights),
            "agreement_of_true_band": key_agreement(band, weights),
        }
        print(folder.name, scores[folder.name])
    mean = float(np.mean([score["agreement_of_true_band"] for score in scores.values()]))
    print(f"mean {mean:.3f}")
    write_json({"mean": mean, "pairs": scores}, RESULTS)


if __name__ == "__main__":
    main()
