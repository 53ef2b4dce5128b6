"""Evaluate a bundle: on a set, on spoilt voices, on real voices, and its codec beside Opus."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from banso.audio import Audio
from banso.bundle import load_bundle
from banso.errors import BundleError, DataError
from banso.eval.codec_report import band_clips, report_codec, stem_clips
from banso.eval.codecs import Roundtrip
from banso.eval.hearing import Array
from banso.eval.judges import load_judges
from banso.eval.judging import judged
from banso.eval.making import (
    baseline_system,
    codec_system,
    our_systems,
    possible_modes,
    robust_systems,
)
from banso.eval.observation import Observer, Store
from banso.eval.report import write_report
from banso.eval.request import Request, facts_of, load_bystanders, load_partners, load_set
from banso.eval.robust_report import write_robustness
from banso.eval.stems import STEM_RATE
from banso.eval.suite import Evaluation, Plan, System, evaluate
from banso.eval.voices import evaluate_voices, write_voices
from banso.files import READABLE_SUFFIXES, read_audio
from banso.filetree import files_below
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.runtime import (
    CODEC_DETAIL_FILE,
    CODEC_ENVELOPE_FILE,
    CODEC_RENDERER_FILE,
    OnnxCodec,
    OnnxWaveformCodec,
    load_codec,
)


def evaluate_set(request: Request, on_progress: Callable[[float], None] | None = None) -> str:
    """Measure a bundle on a set and write a report in three formats.

    Args:
        request: What to do.
        on_progress: Called with the fraction done.

    Returns:
        The Markdown text; `evaluation.md` beside `.json` and `.html`, or `robustness.*`.

    Raises:
        BundleError: If the bundle cannot be used, or cannot plan though `auto` is asked for.
        DataError: If a folder does not hold what the set needs.
        BansoError: If a program or a judge is missing.
    """
    accompanist = Accompanist.from_bundle(request.bundle)
    evaluation = run(request, accompanist, on_progress)
    if request.kind == "robustness":
        return write_robustness(evaluation, request.out)
    return write_report(evaluation, request.out)


def run(
    request: Request,
    accompanist: Accompanist,
    on_progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Measure a bundle on a set; see `evaluate_set`."""
    single, sets = load_judges(request.judges)
    systems = _systems(request, accompanist)
    items = load_set(request)
    plan = plan_of(request, accompanist, len(items), on_progress)
    evaluation = evaluate(items, systems, plan)
    if plan.audio is not None:
        evaluation = judged(evaluation, items, plan.audio, single, sets)
    return replace(evaluation, facts=facts_of(request, accompanist))


def plan_of(
    request: Request,
    accompanist: Accompanist,
    num_items: int,
    on_progress: Callable[[float], None] | None = None,
) -> Plan:
    """Return how a request's evaluation is run.

    Args:
        request: What to do.
        accompanist: Its model.
        num_items: How many songs the set has.
        on_progress: Called with the fraction done.
    """
    encodes = isinstance(accompanist.codec, OnnxCodec | OnnxWaveformCodec)
    robust = request.kind == "robustness"
    return Plan(
        seed=request.options.seed or 0,
        workers=request.workers,
        observer=Observer(bundle=request.bundle, with_latents=encodes),
        store=Store(request.cache),
        bystanders=[] if robust else load_bystanders(request, num_items),
        partners=load_partners(request),
        audio=request.out / "audio" if request.judges else None,
        on_progress=on_progress,
    )


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
    paths = files_below(folder, READABLE_SUFFIXES)
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
    opened = load_bundle(bundle)
    whole = load_codec(opened)
    roundtrips = {"banso": _roundtrip(whole)}
    if opened.has(CODEC_RENDERER_FILE):
        roundtrips["banso, renderer off"] = _roundtrip(load_codec(opened, renderer=False))
    if opened.has(CODEC_ENVELOPE_FILE):
        roundtrips["banso, envelope off"] = _roundtrip(load_codec(opened, envelope=False))
    if opened.has(CODEC_DETAIL_FILE) and isinstance(whole, OnnxCodec):
        drawing = functools.partial(whole.roundtrip, own_detail=False)
        roundtrips["banso, detail drawn"] = _roundtrip(whole, drawing)
        roundtrips["banso, detail off"] = _roundtrip(load_codec(opened, detail=False))
    clips = {
        "codec-bands": [] if data is None else band_clips(data, limit),
        "codec-stems": stem_clips(stems),
    }
    texts = [report_codec(roundtrips, every, out, name) for name, every in clips.items() if every]
    if not texts:
        raise DataError("there is nothing to send through the codec; give a data set or stems")
    return "\n".join(texts)


def _roundtrip(codec: OnnxCodec | OnnxWaveformCodec, through: Roundtrip | None = None) -> Roundtrip:
    """What maps a waveform [2, samples] at 44.1 kHz to what a codec makes of it.

    Args:
        codec: Whose rate is to be kept to.
        through: What maps a waveform at this rate; None for the codec's own round trip.
    """
    through = through or codec.roundtrip

    def roundtrip(samples: Array) -> Array:
        given = Audio(samples, STEM_RATE).resampled(codec.sample_rate)
        restored = Audio(through(given.samples), codec.sample_rate).resampled(STEM_RATE)
        return restored.samples[:, : samples.shape[1]]

    return roundtrip


def _systems(request: Request, accompanist: Accompanist) -> list[System]:
    """What makes the bands of a set; all of it is checked before any band is made."""
    possible = possible_modes(has_score=request.has_score)
    modes = request.modes or possible
    if request.kind == "robustness":
        return robust_systems(accompanist, modes[-1], request.options)
    systems = our_systems(accompanist, modes, request.options)
    codec = accompanist.codec
    if request.kind != "voices" and isinstance(codec, OnnxCodec | OnnxWaveformCodec):
        systems.append(codec_system(codec, accompanist.bundle.hash))
    if request.baseline:
        systems.append(baseline_system())
    if request.published is not None:
        systems.append(_published(request.published, accompanist, request.options))
    return systems


def _published(checkpoint: Path, accompanist: Accompanist, options: GenerationOptions) -> System:
    # Torch is loaded for this row alone.
    from banso.eval.published_bands import load_published, published_system

    codec = accompanist.codec
    if not isinstance(codec, OnnxCodec):
        raise BundleError("the published network was trained on latents of banso's own codec")
    network = load_published(checkpoint)
    return published_system(network, codec, accompanist.bundle.hash, seed=options.seed or 0)
