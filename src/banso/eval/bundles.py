"""Evaluate a bundle on a data set: its accompaniments by the same way as for everybody."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from banso.audio import Audio
from banso.eval.hearing import Array
from banso.eval.report import write_report
from banso.eval.suite import EvalItem, Mode, evaluate, load_items
from banso.options import GenerationOptions
from banso.pipeline import Accompanist


def evaluate_bundle(
    bundle: Path | None,
    data: Path,
    out: Path,
    *,
    options: GenerationOptions,
    conditions: Sequence[Mode] = ("given", "vocal"),
    split: str = "test",
    limit: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> str:
    """Measure a bundle and write `evaluation.json` and `evaluation.md`.

    Args:
        bundle: Folder of the model; None takes the one inside the package.
        data: Data set with a `manifest.json`.
        out: Folder of the report.
        options: Seed (also of the shuffling), steps and guidance; its lead sheet is not looked at.
        conditions: `given` hands the score's chords and beats over, `vocal` the voice alone.
        split: Which songs.
        limit: At most so many songs.
        on_progress: Called with the fraction done.

    Returns:
        The Markdown text.

    Raises:
        BundleError: If the bundle cannot be used.
        DataError: If the data set has fewer than 2 songs in the split.
    """
    accompanist = Accompanist.from_bundle(bundle)
    items = load_items(data, split=split, limit=limit)
    done = 0

    def generate(item: EvalItem, condition: Mode) -> Array:
        nonlocal done
        vocals = Audio(item.read_vocals(), item.sample_rate)
        asked = replace(options, lead_sheet=item.sheet if condition == "given" else None)
        audio = accompanist.accompany(vocals, asked).audio.resampled(item.sample_rate)
        done += 1
        if on_progress is not None:
            on_progress(done / (len(items) * len(conditions)))
        return audio.samples

    return write_report(evaluate(items, generate, modes=conditions, seed=options.seed or 0), out)
