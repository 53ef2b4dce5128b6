"""Measure the key figures of a bundle on a set of songs, and write the page."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from banso.data.cache import load_cache
from banso.eval.bundles import plan_of
from banso.eval.cost import Cost, measure_cost
from banso.eval.kpi import forgiving, key_figures, write_kpis
from banso.eval.making import our_systems, possible_modes
from banso.eval.near_copies import NearCopies, find_near_copies, fingerprint, training_fingerprints
from banso.eval.request import Request, facts_of, load_set
from banso.eval.sets import EvalItem
from banso.eval.suite import Evaluation, evaluate
from banso.pipeline import Accompanist

_TIMED = 3


def evaluate_kpis(
    request: Request,
    training: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> str:
    """Measure what a business asks for; write `kpi.json`, `.md` and `.html`.

    Args:
        request: A set with scores; the last of its conditions is measured, by default the one that
            users get without choosing.
        training: Folder of arrays made by `banso prepare cache`, with training and held-out
            songs; None leaves near-copies out.
        on_progress: Called with the fraction done.

    Returns:
        The Markdown text.

    Raises:
        BansoError: If bundle, data or a program cannot be used.
    """
    accompanist = Accompanist.from_bundle(request.bundle)
    modes = request.modes or possible_modes(has_score=request.has_score)
    failed: set[str] = set()
    (system,) = our_systems(accompanist, modes[-1:], request.options)
    items = load_set(request)
    plan = plan_of(request, accompanist, len(items), on_progress)
    evaluation = evaluate(items, [replace(forgiving(system, failed), swapped=False)], plan)
    evaluation = replace(evaluation, facts=facts_of(request, accompanist))
    kpis = key_figures(
        evaluation,
        items,
        failed=failed,
        costs=_costs(request, items, modes[-1]),
        copies=None if training is None else _copies(evaluation, system.row, training),
    )
    return write_kpis(kpis, evaluation, request.out)


def _costs(request: Request, items: Sequence[EvalItem], mode: str) -> list[Cost]:
    """Cost of the first songs; a fresh process for each."""
    options = replace(request.options, plan="auto" if mode == "auto" else "none")
    return [
        measure_cost(request.bundle, item.read_vocals(), item.sample_rate, options)
        for item in items[:_TIMED]
    ]


def _copies(evaluation: Evaluation, row: str, training: Path) -> NearCopies:
    made = [observation.fingerprint for observation in evaluation.observations[row]]
    held_out = [
        fingerprint(item.parameters)
        for split in ("validation", "test")
        for item in load_cache(training, split)
    ]
    return find_near_copies(made, held_out, training_fingerprints(training))
