"""Evaluate a bundle: on held-out songs, on real voices, and its codec beside Opus."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from banso.audio import Audio
from banso.bundle import load_bundle
from banso.errors import BundleError, DataError
from banso.eval.codec_report import band_clips, report_codec, stem_clips
from banso.eval.hearing import Array
from banso.eval.report import write_report
from banso.eval.stems import STEM_RATE
from banso.eval.suite import EvalItem, Mode, evaluate, load_items
from banso.eval.voices import evaluate_voices, write_voices
from banso.files import READABLE_SUFFIXES, read_audio
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.runtime import load_codec


def evaluate_bundle(
    bundle: Path | None,
    data: Path,
    out: Path,
    *,
    options: GenerationOptions,
    conditions: Sequence[Mode] | None = None,
    split: str = "test",
    limit: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> str:
    """Measure a bundle and write `evaluation.json` and `evaluation.md`.

    Args:
        bundle: Folder of the model; None takes the one inside the package.
        data: Data set with a `manifest.json`.
        out: Folder of the report.
        options: Seed (also of the shuffling), steps and guidance; its lead sheet and plan are not
            looked at.
        conditions: `given` hands the score's chords and beats over, `vocal` the voice alone, `auto`
            lets the bundle plan them from the voice; None takes all that the bundle can do.
        split: Which songs.
        limit: At most so many songs.
        on_progress: Called with the fraction done.

    Returns:
        The Markdown text.

    Raises:
        BundleError: If the bundle cannot be used, or cannot plan though `auto` is asked for.
        DataError: If the data set has fewer than 2 songs in the split.
    """
    accompanist = Accompanist.from_bundle(bundle)
    modes: Sequence[Mode] = conditions or _possible(accompanist)
    if "auto" in modes and accompanist.planner is None:
        raise BundleError(
            f"bundle {accompanist.bundle.name} has no planner; leave out the condition auto"
        )
    items = load_items(data, split=split, limit=limit)
    done = 0

    def generate(item: EvalItem, condition: Mode) -> Array:
        nonlocal done
        vocals = Audio(item.read_vocals(), item.sample_rate)
        asked = replace(
            options,
            lead_sheet=item.sheet if condition == "given" else None,
            plan="auto" if condition == "auto" else "none",
        )
        audio = accompanist.accompany(vocals, asked).audio.resampled(item.sample_rate)
        done += 1
        if on_progress is not None:
            on_progress(done / (len(items) * len(modes)))
        return audio.samples

    return write_report(evaluate(items, generate, modes=modes, seed=options.seed or 0), out)


def evaluate_recordings(
    bundle: Path | None, folder: Path, out: Path, options: GenerationOptions
) -> str:
    """Accompany every recording under a folder and write `voices.json` and `voices.md`.

    Args:
        bundle: Folder of the model; None takes the one inside the package.
        folder: Holds recordings of voices, however deep.
        out: Folder of the report.
        options: As for every use.

    Returns:
        The Markdown text.

    Raises:
        BundleError: If the bundle cannot be used.
        DataError: If there are fewer than 2 recordings. AudioError: If one cannot be used.
    """
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in READABLE_SUFFIXES]
    if len(paths) < 2:
        raise DataError(f"{folder} holds {len(paths)} recordings; 2 are needed")
    voices = [(str(path.relative_to(folder)), read_audio(path)) for path in paths]
    return write_voices(evaluate_voices(Accompanist.from_bundle(bundle), voices, options), out)


def evaluate_codec(
    bundle: Path | None,
    data: Path | None,
    stems: Sequence[Path],
    out: Path,
    limit: int | None = None,
) -> str:
    """Compare a bundle's codec with Opus; write `codec-bands` and `codec-stems`, JSON and Markdown.

    Args:
        bundle: Folder of the model; None takes the one inside the package.
        data: Data set whose held-out bands are used; None for none.
        stems: Folders of released songs, one audio file per stem.
        out: Folder of the reports.
        limit: At most so many bands.

    Returns:
        The Markdown tables.

    Raises:
        BundleError: If the bundle cannot be used.
        DataError: If neither bands nor stems are given, or a folder does not hold them.
    """
    codec = load_codec(load_bundle(bundle))

    def roundtrip(samples: Array) -> Array:
        given = Audio(samples, STEM_RATE).resampled(codec.sample_rate)
        restored = Audio(codec.roundtrip(given.samples), codec.sample_rate).resampled(STEM_RATE)
        return restored.samples[:, : samples.shape[1]]

    clips = {
        "codec-bands": [] if data is None else band_clips(data, limit),
        "codec-stems": stem_clips(stems),
    }
    texts = [report_codec(roundtrip, every, out, name) for name, every in clips.items() if every]
    if not texts:
        raise DataError("there is nothing to send through the codec; give a data set or stems")
    return "\n".join(texts)


def _possible(accompanist: Accompanist) -> tuple[Mode, ...]:
    return ("given", "vocal") if accompanist.planner is None else ("given", "vocal", "auto")
