"""Turn an evaluation into numbers with intervals, and these into Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from banso.eval.frechet import frechet_interval, frechet_to_others
from banso.eval.scoring import METRICS, PROPERTIES
from banso.eval.statistics import Interval, gap_closed, mean_interval, p_greater, separation
from banso.eval.suite import Evaluation
from banso.eval.webpage import write_page

USABLE_SEPARATION = 0.9
_TOPS = (1, 10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One metric of one set.

    Attributes:
        metric: Its name.
        separation: AUC between true and shuffled; the metric counts from 0.9 up. NaN without true.
        means: Mean over items with 95 % interval, by row.
        gap_closed: Gap closed with 95 % interval, by row other than `true` and `shuffled`; empty
            without true.
        p_greater: p-value that the row beats `shuffled`, by rows other than these.
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

    @property
    def is_known(self) -> bool:
        """Whether the set allows the metric at all."""
        return any(np.isfinite(value.estimate) for value in self.means.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that is told of an evaluation.

    Attributes:
        summaries: Of the metrics of fit.
        properties: Mean with 95 % interval by property, then by row.
        tops: Share of voices whose own band is among the first, with interval, by row, then by how
            many are first.
        frechet: Distance of latents from those of the true bands, with interval, by row.
        frechet_to_others: The same from the true bands of other songs.
        distances: The same by judges of sets, by judge, then by row.
    """

    summaries: tuple[Summary, ...]
    properties: Mapping[str, Mapping[str, Interval]]
    tops: Mapping[str, Mapping[int, Interval]]
    frechet: Mapping[str, Interval]
    frechet_to_others: Mapping[str, Interval]
    distances: Mapping[str, Mapping[str, float]]


def summarize(evaluation: Evaluation) -> list[Summary]:
    """Compute means, gaps and p-values of every metric that the rows hold.

    Args:
        evaluation: Scores of a set.

    Returns:
        One summary per metric; the same for the same evaluation, whose seed it uses.
    """
    row = evaluation.rows["shuffled"]
    names = [*METRICS, *(name for name in row if name not in (*METRICS, *PROPERTIES))]
    return [_summarize(evaluation, metric) for metric in names]


def digest(evaluation: Evaluation) -> Report:
    """Compute everything that is told of an evaluation."""
    rows, seed = evaluation.rows, evaluation.seed
    shown = [row for row in rows if not row.startswith("swapped")]
    true = evaluation.moments.get("true", [])
    return Report(
        summaries=tuple(summarize(evaluation)),
        properties={
            name: {row: mean_interval(rows[row][name], seed=seed) for row in shown}
            for name in PROPERTIES
        },
        tops={
            row: {top: mean_interval(_hits(values, top), seed=seed) for top in _TOPS}
            for row, values in evaluation.ranks.items()
        },
        frechet={
            row: frechet_interval(true, every, seed=seed)
            for row, every in evaluation.moments.items()
            if true and row != "true"
        },
        frechet_to_others={
            row: frechet_to_others(true, every, seed=seed)
            for row, every in evaluation.moments.items()
            if true
        },
        distances=evaluation.distances,
    )


def write_report(evaluation: Evaluation, folder: Path, name: str = "evaluation") -> str:
    """Write `NAME.json`, `NAME.md` and `NAME.html`.

    Args:
        evaluation: Scores of a set.
        folder: Where to; made if it does not exist.
        name: Of the files.

    Returns:
        The Markdown text.
    """
    report = digest(evaluation)
    text = to_markdown(evaluation, report)
    content = {
        "facts": dict(evaluation.facts),
        "names": evaluation.names,
        "seed": evaluation.seed,
        "num_candidates": evaluation.num_candidates,
        "rows": evaluation.rows,
        "ranks": evaluation.ranks,
        **asdict(report),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(content, folder / f"{name}.json")
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    write_page(evaluation, report, text, folder / f"{name}.html")
    return text


def write_json(content: object, path: Path) -> None:
    """Write JSON; what is not a finite number becomes null."""
    encoded = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    path.write_text(encoded + "\n", encoding="utf-8")


def to_markdown(evaluation: Evaluation, report: Report) -> str:
    """Write the tables: metrics that count, all AUCs, retrieval, latents, properties.

    Args:
        evaluation: Scores of a set.
        report: Of the same evaluation.

    Returns:
        Markdown.
    """
    known = [summary for summary in report.summaries if summary.is_known]
    has_true = "true" in evaluation.rows
    used = [s for s in known if s.is_usable] if has_true else known
    facts = "".join(f"- {name}: {value}\n" for name, value in evaluation.facts.items())
    parts = [
        f"{len(evaluation.names)} items, seed {evaluation.seed}\n{facts}",
        _section(_fit_title(has_true), _fit_table(evaluation, used)),
    ]
    if has_true:
        parts.append(_section("Does a metric tell true from shuffled?", _auc_table(known)))
    parts += [
        _section(
            f"Is a voice's own band found among {evaluation.num_candidates}?",
            _top_table(report.tops),
        ),
        _section("Fréchet distance of latents from the true bands'", _distances(report.frechet)),
        _section(
            "Fréchet distance of latents from the true bands of other songs",
            _distances(report.frechet_to_others),
        ),
        *(
            _section(f"Distance from the true bands by {judge}", _plain_table(values))
            for judge, values in report.distances.items()
        ),
        _section("What belongs to the band alone; no fit in it", _property_table(report)),
    ]
    return "\n".join(part for part in parts if part)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def interval_text(value: Interval, digits: int = 3) -> str:
    """Write an estimate with its interval; a dash if it is unknown."""
    if np.isnan(value.estimate):
        return "–"
    return f"{value.estimate:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def row_text(row: str) -> str:
    """Write a row's name for people."""
    return row.replace("_", ", ", 1).replace("_", " ")


def _summarize(evaluation: Evaluation, metric: str) -> Summary:
    nothing = [float("nan")] * len(evaluation.names)
    values = {row: scores.get(metric, nothing) for row, scores in evaluation.rows.items()}
    true, shuffled, seed = values.get("true", nothing), values["shuffled"], evaluation.seed
    tested = {row: v for row, v in values.items() if row not in ("true", "shuffled")}
    return Summary(
        metric=metric,
        separation=separation(true, shuffled),
        means={row: mean_interval(v, seed=seed) for row, v in values.items()},
        gap_closed={row: gap_closed(true, v, shuffled, seed=seed) for row, v in tested.items()},
        p_greater={row: p_greater(v, shuffled, seed=seed) for row, v in tested.items()},
    )


def _hits(ranks: Sequence[float], top: int) -> list[float]:
    return [float(rank <= top) if np.isfinite(rank) else float("nan") for rank in ranks]


def _section(title: str, content: str) -> str:
    return f"## {title}\n\n{content}" if content else ""


def _fit_title(has_true: bool) -> str:
    gap = "; gap closed = (row − shuffled) / (true − shuffled)" if has_true else ""
    return f"Fit, mean over items [95 % interval]{gap}"


def _fit_table(evaluation: Evaluation, summaries: Sequence[Summary]) -> str:
    lines = []
    for summary in summaries:
        for index, (row, mean) in enumerate(summary.means.items()):
            gap = summary.gap_closed.get(row)
            p = summary.p_greater.get(row, float("nan"))
            lines.append(
                [
                    summary.metric.replace("_", " ") if index == 0 else "",
                    row_text(row),
                    interval_text(mean),
                    "–" if gap is None else interval_text(gap, 2),
                    "–" if np.isnan(p) else f"{p:.2g}",
                ]
            )
    header = ["metric", "row", "mean", "gap closed", "p (row > shuffled)"]
    return table(header, lines) if lines else ""


def _auc_table(summaries: Sequence[Summary]) -> str:
    lines = [
        [
            summary.metric.replace("_", " "),
            f"{summary.separation:.3f}",
            "yes" if summary.is_usable else "no: dropped from the summary",
        ]
        for summary in summaries
    ]
    return table(["metric", "AUC", f"used (AUC ≥ {USABLE_SEPARATION})"], lines)


def _top_table(tops: Mapping[str, Mapping[int, Interval]]) -> str:
    lines = [
        [row_text(row), *(interval_text(shares[top], 2) for top in _TOPS)]
        for row, shares in tops.items()
        if np.isfinite(shares[1].estimate)
    ]
    return table(["row", *(f"top {top}" for top in _TOPS)], lines) if lines else ""


def _distances(frechet: Mapping[str, Interval]) -> str:
    codec = frechet["codec"].estimate if "codec" in frechet else float("nan")
    lines = [
        [
            row_text(row),
            interval_text(value),
            "–" if np.isnan(codec) else f"{value.estimate / codec:.2f}",
        ]
        for row, value in frechet.items()
        if np.isfinite(value.estimate)
    ]
    return table(["row", "distance", "times the codec's"], lines) if lines else ""


def _plain_table(values: Mapping[str, float]) -> str:
    lines = [[row_text(row), f"{value:.3f}"] for row, value in values.items()]
    return table(["row", "distance"], lines) if lines else ""


def _property_table(report: Report) -> str:
    rows = list(next(iter(report.properties.values())))
    lines = [
        [name.replace("_", " "), *(interval_text(values[row], 2) for row in rows)]
        for name, values in report.properties.items()
    ]
    return table(["property", *map(row_text, rows)], lines)


def _without_nan(value: object) -> object:
    """JSON has no NaN; a number that could not be measured becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
