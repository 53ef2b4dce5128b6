"""An evaluation as one HTML file that needs nothing else: plots, then the tables."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from banso.eval.charts import interval_chart
from banso.eval.suite import Evaluation

if TYPE_CHECKING:
    from banso.eval.report import Report

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #8a94a0; --line: #d5dbe1;
  --mark: #0b66c3; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --faint: #8a94a0; --line: #3a424b;
  --mark: #6cb2ff; --paper: #14181c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(28rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; } figcaption small { color: var(--faint); }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.row { text-anchor: end; } .tick { text-anchor: middle; fill: var(--faint) !important; }
.grid { stroke: var(--line); } .interval { stroke: var(--mark); stroke-width: 3; }
.mean { fill: var(--mark); } .item { fill: var(--faint); opacity: .35; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid var(--line); }
"""


def write_page(evaluation: Evaluation, report: "Report", markdown: str, path: Path) -> None:
    """Write the page of an evaluation.

    Args:
        evaluation: Scores of a set.
        report: Of the same evaluation.
        markdown: Its tables.
        path: The file.
    """
    figures = [
        figure(
            summary.metric,
            _caption(summary.separation),
            interval_chart(
                summary.means,
                {row: scores.get(summary.metric, []) for row, scores in evaluation.rows.items()},
                limits=(0.0, 1.0),
            ),
        )
        for summary in report.summaries
        if summary.is_known
    ]
    distances = figure(
        "Fréchet distance of latents", "less is better", interval_chart(report.frechet)
    )
    title = f"banso: {evaluation.facts.get('set', 'evaluation')}"
    path.write_text(page(title, [*figures, distances], markdown), encoding="utf-8")


def page(title: str, figures: Sequence[str], markdown: str) -> str:
    """Return a whole HTML page of figures and tables.

    Args:
        title: Of the page.
        figures: `<figure>` elements; empty ones are left out.
        markdown: Headings, lists and tables, as the reports write them.
    """
    plots = "".join(figures)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><div class='plots'>{plots}</div>{_html(markdown)}</body></html>\n"
    )


def figure(name: str, caption: str, chart: str) -> str:
    """Return a chart with its caption as a `<figure>`; empty without a chart."""
    if not chart:
        return ""
    head = f"{escape(name.replace('_', ' '))} <small>{escape(caption)}</small>"
    return f"<figure><figcaption>{head}</figcaption>{chart}</figure>"


def _caption(separation: float) -> str:
    if separation != separation:
        return "no true band to validate it with"
    return f"AUC of true against shuffled {separation:.2f}"


def _html(markdown: str) -> str:
    """Turn the reports' own subset of Markdown into HTML."""
    parts: list[str] = []
    for block in re.split(r"\n\s*\n", markdown.strip()):
        lines = block.strip().splitlines()
        if lines[0].startswith("#"):
            parts.append(f"<h2>{escape(lines[0].lstrip('# '))}</h2>")
        elif lines[0].startswith("|"):
            parts.append(_table(lines))
        else:
            parts += [f"<p>{escape(line.removeprefix('- '))}</p>" for line in lines]
    return "".join(parts)


def _table(lines: Sequence[str]) -> str:
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    head = "".join(f"<th>{escape(cell)}</th>" for cell in cells[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells[2:]
    )
    return (
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
