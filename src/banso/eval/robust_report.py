"""How much a band suffers when the voice is spoilt, as tables and plots."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from banso.eval.charts import interval_chart
from banso.eval.report import interval_text, summarize, table, write_json
from banso.eval.robustness import CLEAN
from banso.eval.scoring import METRICS
from banso.eval.statistics import Interval, gap_drop, mean_interval
from banso.eval.suite import Evaluation
from banso.eval.webpage import figure, page


@dataclass(frozen=True, slots=True)
class Drop:
    """What one way to spoil the voice costs in one metric.

    Attributes:
        score: Mean of clean minus spoilt, paired, with 95 % interval; negative for a gain.
        gap_closed: Gap closed clean minus gap closed spoilt, with interval.
    """

    score: Interval
    gap_closed: Interval


def drops(evaluation: Evaluation) -> dict[str, dict[str, Drop]]:
    """Compute drops by metric, then by condition, of the metrics that tell true from shuffled."""
    rows, seed = evaluation.rows, evaluation.seed
    found: dict[str, dict[str, Drop]] = {}
    for metric in (s.metric for s in summarize(evaluation) if s.is_usable):
        clean, true, shuffled = (rows[row][metric] for row in (CLEAN, "true", "shuffled"))
        found[metric] = {
            name: Drop(
                mean_interval(np.subtract(clean, rows[name][metric]), seed=seed),
                gap_drop(true, clean, rows[name][metric], shuffled, seed=seed),
            )
            for name in rows
            if name not in (CLEAN, "true", "shuffled")
        }
    return found


def write_robustness(evaluation: Evaluation, folder: Path) -> str:
    """Write `robustness.json`, `.md` and `.html`; return the Markdown."""
    found = drops(evaluation)
    text = _markdown(evaluation, found)
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "facts": dict(evaluation.facts),
        "names": evaluation.names,
        "seed": evaluation.seed,
        "rows": {row: dict(scores) for row, scores in evaluation.rows.items()},
        "drops": {
            metric: {name: asdict(drop) for name, drop in row.items()}
            for metric, row in found.items()
        },
    }
    write_json(content, folder / "robustness.json")
    (folder / "robustness.md").write_text(text, encoding="utf-8")
    figures = [
        figure(metric, "drop of the score", interval_chart({n: d.score for n, d in row.items()}))
        for metric, row in found.items()
    ]
    html = page("banso: robustness", figures, text)
    (folder / "robustness.html").write_text(html, encoding="utf-8")
    return text


def _markdown(evaluation: Evaluation, found: Mapping[str, Mapping[str, Drop]]) -> str:
    metrics = [metric for metric in METRICS if metric in found]
    facts = "".join(f"- {name}: {value}\n" for name, value in evaluation.facts.items())
    head = f"{len(evaluation.names)} items, seed {evaluation.seed}\n{facts}"
    if not metrics:
        return f"{head}\nNo metric tells true from shuffled on these items.\n"
    means = [
        [name, *(interval_text(mean_interval(scores[m], seed=evaluation.seed)) for m in metrics)]
        for name, scores in evaluation.rows.items()
    ]
    names = list(found[metrics[0]])
    scores = [[name, *(interval_text(found[m][name].score) for m in metrics)] for name in names]
    gaps = [
        [name, *(interval_text(found[m][name].gap_closed, 2) for m in metrics)] for name in names
    ]
    header = ["", *(metric.replace("_", " ") for metric in metrics)]
    return (
        f"{head}\n## Drop of the score, clean minus spoilt [95 % interval]\n\n"
        f"{table(header, scores)}\n## Drop of the gap closed [95 % interval]\n\n"
        f"{table(header, gaps)}\n## Scores\n\n{table(header, means)}"
    )
