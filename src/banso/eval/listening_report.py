"""What a listening test found: preferences and opinions with intervals, as Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from banso.eval.listening import ANCHOR, REFERENCE
from banso.eval.listening_results import (
    LEAST_ANCHOR_SCORE,
    SCALES,
    Key,
    Listener,
    read_key,
    read_listeners,
)
from banso.eval.preferences import Preferences, prefer
from banso.eval.statistics import Interval, gap_closed, mean_interval

_SIMULATED = "**SIMULATED ANSWERS: {count} of {all} listeners are programs. {rest}**"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinions:
    """What one group of listeners says.

    Attributes:
        num_listeners: How many.
        preferences: From the comparisons in pairs; None without any.
        scores: Mean opinion score by scale, then system.
        gaps: Gap closed by scale, then system other than reference and anchor.
    """

    num_listeners: int
    preferences: Preferences | None
    scores: Mapping[str, Mapping[str, Interval]]
    gaps: Mapping[str, Mapping[str, Interval]]


def analyze_listening(results: Sequence[Path], key: Path, out: Path, *, seed: int = 0) -> str:
    """Analyse the results of a listening test; write `listening.json` and `listening.md`.

    Args:
        results: Files that the page saved, one per listener.
        key: The test's `key.json`.
        out: Folder of the report; made if it does not exist.
        seed: Of the draws of listeners.

    Returns:
        The Markdown text.

    Raises:
        DataError: If there are no results, or one is not of this test, not complete or broken.
    """
    opened = read_key(key)
    listeners = read_listeners(results, opened)
    passing = [listener for listener in listeners if listener.passes]
    groups = {"passing": passing, "all": listeners}
    opinions = {
        name: gather(group, opened.systems, seed=seed) for name, group in groups.items() if group
    }
    text = _to_markdown(opened, listeners, opinions)
    out.mkdir(parents=True, exist_ok=True)
    encoded = json.dumps(_to_json(opened, listeners, opinions, seed), indent=1, allow_nan=False)
    (out / "listening.json").write_text(encoded + "\n", encoding="utf-8")
    (out / "listening.md").write_text(text, encoding="utf-8")
    return text


def gather(listeners: Sequence[Listener], systems: Sequence[str], *, seed: int = 0) -> Opinions:
    """Put the answers of some listeners together.

    Every listener counts once: ratings are first averaged over the listener's songs, and intervals
    come from drawing listeners again.

    Args:
        listeners: At least 1.
        systems: All systems, in the order of the tables.
        seed: Of the draws.
    """
    tables = [_wins(listener, systems) for listener in listeners]
    means = {
        scale: {s: [_mean_rating(listener, s, scale) for listener in listeners] for s in systems}
        for scale in SCALES
    }
    tested = [system for system in systems if system not in (REFERENCE, ANCHOR)]
    compared = any(table.any() for table in tables)
    return Opinions(
        num_listeners=len(listeners),
        preferences=prefer(tables, systems.index(ANCHOR), seed=seed) if compared else None,
        scores={
            scale: {s: mean_interval(values, seed=seed) for s, values in rows.items()}
            for scale, rows in means.items()
        },
        gaps={
            scale: {s: gap_closed(rows[REFERENCE], rows[s], rows[ANCHOR], seed=seed)
                    for s in tested}
            for scale, rows in means.items()
        },
    )  # fmt: skip


def _wins(listener: Listener, systems: Sequence[str]) -> np.ndarray:
    """How often the row's system was preferred to the column's; no difference is half a win."""
    table = np.zeros((len(systems), len(systems)))
    for answer in listener.comparisons:
        first, second = (systems.index(system) for system in answer.systems)
        share = 0.5 if answer.preferred is None else float(answer.preferred == answer.systems[0])
        table[first, second] += share
        table[second, first] += 1 - share
    return table


def _mean_rating(listener: Listener, system: str, scale: str) -> float:
    values = [getattr(rating, scale) for rating in listener.ratings if rating.system == system]
    return float(np.mean(values)) if values else float("nan")


def _to_markdown(key: Key, listeners: Sequence[Listener], opinions: Mapping[str, Opinions]) -> str:
    simulated = sum(listener.is_simulated for listener in listeners)
    parts = [f"# Listening test {key.test_id}\n"]
    if simulated:
        rest = "These figures test the procedure and say nothing about music."
        words = _SIMULATED.format(count=simulated, all=len(listeners), rest=rest)
        parts.append(words + "\n")
    num_passing = sum(listener.passes for listener in listeners)
    parts.append(
        f"{len(listeners)} listeners, of whom {num_passing} pass the screening: they put "
        f"`{REFERENCE}` above `{ANCHOR}` (no difference counts half) in at least "
        f"{LEAST_ANCHOR_SCORE:.0%} of their chances. The screening looks at these two only, and so "
        "widens the gap between them. Intervals are 95 %, by drawing listeners again.\n"
    )
    titles = {"passing": "Listeners who pass", "all": "All listeners"}
    for name, title in titles.items():
        if name in opinions:
            parts.append(f"## {title} ({opinions[name].num_listeners})\n")
            parts += _group_tables(key.systems, opinions[name])
        else:
            parts.append(f"## {title}: none\n")
    return "\n".join(parts)


def _group_tables(systems: Sequence[str], opinions: Opinions) -> list[str]:
    order = list(range(len(systems)))
    preferences, tables = opinions.preferences, []
    columns = ["fit (1-5)", "quality (1-5)", "gap closed in fit", "gap closed in quality"]
    cells = {
        system: [_number(opinions.scores[scale][system]) for scale in SCALES]
        + [_number(opinions.gaps[scale].get(system)) for scale in SCALES]
        for system in systems
    }
    if preferences is not None:
        strengths = [interval.estimate for interval in preferences.strengths]
        order = sorted(order, key=lambda k: -strengths[k])
        columns = ["strength (log)", f"preferred to {ANCHOR}", *columns]
        for k, system in enumerate(systems):
            over = None if k == preferences.against else preferences.over[k]
            cells[system] = [_number(preferences.strengths[k]), _number(over), *cells[system]]
    ranked = [systems[k] for k in order]
    tables.append(_table("system", columns, {system: cells[system] for system in ranked}))
    if preferences is not None:
        tables.append("How often the row was preferred to the column, of how many comparisons:\n")
        tables.append(_table("", ranked, _win_cells(ranked, systems, preferences)))
    return tables


def _win_cells(
    ranked: Sequence[str], systems: Sequence[str], preferences: Preferences
) -> dict[str, list[str]]:
    wins = preferences.wins

    def cell(row: str, column: str) -> str:
        a, b = systems.index(row), systems.index(column)
        games = wins[a, b] + wins[b, a]
        return "–" if a == b or not games else f"{wins[a, b]:g} of {games:g}"

    return {row: [cell(row, column) for column in ranked] for row in ranked}


def _table(corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [[corner, *(name.replace("_", ", ") for name in columns)]]
    lines += [["---"] * (len(columns) + 1)]
    lines += [[row.replace("_", ", "), *cells] for row, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: Interval | None) -> str:
    if value is None or np.isnan(value.estimate):
        return "–"
    return f"{value.estimate:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _to_json(
    key: Key, listeners: Sequence[Listener], opinions: Mapping[str, Opinions], seed: int
) -> dict[str, Any]:
    return {
        "test_id": key.test_id,
        "seed": seed,
        "systems": list(key.systems),
        "num_simulated": sum(listener.is_simulated for listener in listeners),
        "least_anchor_score": LEAST_ANCHOR_SCORE,
        "listeners": [
            {
                "name": listener.name,
                "is_simulated": listener.is_simulated,
                "about": dict(listener.about),
                "anchor_score": _known(listener.anchor_score),
                "passes": listener.passes,
            }
            for listener in listeners
        ],
        "groups": {name: _group_json(key.systems, group) for name, group in opinions.items()},
    }


def _group_json(systems: Sequence[str], opinions: Opinions) -> dict[str, Any]:
    found = opinions.preferences
    content: dict[str, Any] = {
        "num_listeners": opinions.num_listeners,
        "scores": {scale: _intervals(rows) for scale, rows in opinions.scores.items()},
        "gap_closed": {scale: _intervals(rows) for scale, rows in opinions.gaps.items()},
    }
    if found is not None:
        content["strengths"] = _intervals(dict(zip(systems, found.strengths, strict=True)))
        content[f"preferred_to_{ANCHOR}"] = _intervals(dict(zip(systems, found.over, strict=True)))
        content["wins"] = found.wins.tolist()
    return content


def _intervals(rows: Mapping[str, Interval]) -> dict[str, list[float | None]]:
    return {
        name: [_known(value) for value in (row.estimate, row.low, row.high)]
        for name, row in rows.items()
    }


def _known(value: float) -> float | None:
    """JSON has no NaN; a number that could not be measured becomes null."""
    return value if np.isfinite(value) else None
