"""Turn an evaluation into numbers with intervals, a Markdown table and JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from banso.eval.statistics import Interval, gap_closed, mean_interval, p_greater, separation
from banso.eval.suite import METRICS, Evaluation

USABLE_SEPARATION = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One metric of one set.

    Attributes:
        metric: Its name.
        separation: AUC between true and shuffled; the metric counts from 0.9 up.
        means: Mean over items with 95 % interval, by row.
        gap_closed: Gap closed with 95 % interval, by row other than `true` and `shuffled`.
        p_greater: p-value that the row beats `shuffled`, by the same rows.
    """

    metric: str
    separation: float
    means: Mapping[str, Interval]
    gap_closed: Mapping[str, Interval]
    p_greater: Mapping[str, float]

    @property
    def is_usable(self) -> bool:
        """Whether the metric tells true from shuffled on this set."""
        return self.separation >= USABLE_SEPARATION


def summarize(evaluation: Evaluation) -> list[Summary]:
    """Compute means, gaps and p-values of every metric.

    Args:
        evaluation: Scores of a set.

    Returns:
        One summary per metric; the same for the same evaluation, whose seed it uses.
    """
    return [_summarize(evaluation, metric) for metric in METRICS]


def write_report(evaluation: Evaluation, folder: Path) -> str:
    """Write `evaluation.json` and `evaluation.md`.

    Args:
        evaluation: Scores of a set.
        folder: Where to; made if it does not exist.

    Returns:
        The Markdown text.
    """
    summaries = summarize(evaluation)
    content = {**asdict(evaluation), "summaries": [asdict(summary) for summary in summaries]}
    text = to_markdown(evaluation, summaries)
    folder.mkdir(parents=True, exist_ok=True)
    encoded = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    (folder / "evaluation.json").write_text(encoded + "\n", encoding="utf-8")
    (folder / "evaluation.md").write_text(text, encoding="utf-8")
    return text


def to_markdown(evaluation: Evaluation, summaries: list[Summary]) -> str:
    """Write three tables: scores by row, gap closed with p-values, and separation.

    Args:
        evaluation: Scores of a set.
        summaries: Of the same evaluation.

    Returns:
        Markdown.
    """
    names = [summary.metric.replace("_", " ") for summary in summaries]
    scores = {row: [_mean(s.means[row]) for s in summaries] for row in evaluation.rows}
    gaps = {
        row: [_gap(s.gap_closed[row], s.p_greater[row]) for s in summaries]
        for row in summaries[0].gap_closed
    }
    validity = {
        "AUC": [f"{s.separation:.2f}" for s in summaries],
        "used": ["yes" if s.is_usable else "no" for s in summaries],
    }
    count = f"{len(evaluation.names)} held-out items, seed {evaluation.seed}"
    parts = (
        (f"Mean [95 % interval], {count}", scores),
        ("Gap closed = (row − shuffled) / (true − shuffled) [95 %], one-sided p", gaps),
        (f"Does the metric tell true from shuffled? (AUC ≥ {USABLE_SEPARATION})", validity),
    )
    return "\n".join(f"{title}\n\n{_table(names, rows)}" for title, rows in parts)


def _summarize(evaluation: Evaluation, metric: str) -> Summary:
    values = {row: scores[metric] for row, scores in evaluation.rows.items()}
    true, shuffled, seed = values["true"], values["shuffled"], evaluation.seed
    tested = {row: v for row, v in values.items() if row not in ("true", "shuffled")}
    return Summary(
        metric=metric,
        separation=separation(true, shuffled),
        means={row: mean_interval(v, seed=seed) for row, v in values.items()},
        gap_closed={row: gap_closed(true, v, shuffled, seed=seed) for row, v in tested.items()},
        p_greater={row: p_greater(v, shuffled, seed=seed) for row, v in tested.items()},
    )


def _table(columns: list[str], rows: Mapping[str, list[str]]) -> str:
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row.replace("_", ", "), *cells] for row, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _mean(value: Interval) -> str:
    if np.isnan(value.estimate):
        return "–"
    return f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _gap(value: Interval, p: float) -> str:
    if np.isnan(value.estimate):
        return "–"
    return f"{value.estimate:.2f} [{value.low:.2f}, {value.high:.2f}], p = {p:.2g}"


def _without_nan(value: object) -> object:
    """JSON has no NaN; a number that could not be measured becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
