"""What a business asks of an accompanist, on one page.

- *In-key rate*: share of what the band plays whose pitch classes belong to the key of the song.
- *Beat-lock rate*: share of the song's beats that the band marks, within ±70 ms.
- *Compute*: seconds of processor and clock per minute of music, and peak memory, in a process of
  its own, from a recording in memory to an accompaniment in memory.
- *Retries*: share of inputs whose band nobody would keep: an error, more than a tenth of its
  seconds silent, or fitting the voice worse than half of the true bands of other songs do.
- *Near-copies*: share of bands with a passage nearer to a training song than any passage of
  held-out songs; see `near_copies`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.chords import parse_chord
from banso.errors import BansoError
from banso.eval.beat_tracking import track_beats
from banso.eval.charts import interval_chart
from banso.eval.cost import Cost
from banso.eval.gallery import Rendition
from banso.eval.hearing import Heard
from banso.eval.metrics import BEAT_TOLERANCE_SECONDS, estimate_key, unit_frames
from banso.eval.near_copies import NearCopies
from banso.eval.pulse import tempo_of
from banso.eval.report import interval_text, row_text, table, write_json
from banso.eval.scoring import Reference
from banso.eval.sets import EvalItem
from banso.eval.statistics import Interval, mean_interval
from banso.eval.suite import Evaluation, System
from banso.eval.sung import hear_singing
from banso.eval.webpage import figure, page

_MOST_SILENT = 0.1
_WORST_RETRIEVAL = 0.5
_SCALES = {"maj": (0, 2, 4, 5, 7, 9, 11), "min": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kpis:
    """Key figures of a bundle on a set.

    Attributes:
        in_key: In-key rate with 95 % interval, by row.
        beat_lock: Beat-lock rate with interval, by row.
        retries: Share of inputs that need a retry, with interval, by row.
        reasons: How many inputs needed one for each reason.
        costs: What single inputs cost.
        copies: Near-copies; None without training data to compare with.
    """

    in_key: Mapping[str, Interval]
    beat_lock: Mapping[str, Interval]
    retries: Mapping[str, Interval]
    reasons: Mapping[str, int]
    costs: tuple[Cost, ...]
    copies: NearCopies | None


def forgiving(system: System, failed: set[str]) -> System:
    """Let a system fail: silence in place of a band, and the item's name in `failed`."""

    def make(item: EvalItem) -> Rendition:
        try:
            return system.make(item)
        except BansoError:
            failed.add(item.name)
            size = item.read_vocals().shape[1]
            return Rendition(samples=np.zeros((2, size), np.float32), sample_rate=item.sample_rate)

    # A failure is not kept, so that it is seen again.
    return replace(system, make=make)


def key_figures(
    evaluation: Evaluation,
    items: Sequence[EvalItem],
    *,
    failed: set[str],
    costs: Sequence[Cost],
    copies: NearCopies | None,
) -> Kpis:
    """Compute key figures of an evaluation.

    Args:
        evaluation: With its observations.
        items: The same items.
        failed: Names of items without a band.
        costs: What single inputs cost.
        copies: What the comparison with training songs found.

    Returns:
        Key figures of all rows; `true` and `shuffled` show what is possible and what is chance.
    """
    references = [
        Reference(
            sheet=item.sheet,
            band=None,
            voice=hear_singing(item.read_vocals(), item.sample_rate),
        )
        for item in items
    ]
    bands = {row: [o.heard for o in every] for row, every in evaluation.observations.items()}

    def rates(measure: Callable[[Heard, Reference], float]) -> dict[str, Interval]:
        return {
            row: mean_interval(
                [measure(band, ref) for band, ref in zip(every, references, strict=True)],
                seed=evaluation.seed,
            )
            for row, every in bands.items()
        }

    why = {row: _reasons(evaluation, row, failed) for row in bands}
    ours = [reasons for row, every in why.items() if row.startswith("ours") for reasons in every]
    return Kpis(
        in_key=rates(lambda band, reference: in_key_rate(band, reference.key_weights)),
        beat_lock=rates(lambda band, reference: beat_lock_rate(band, reference.beats)),
        retries={
            row: mean_interval([float(bool(r)) for r in every], seed=evaluation.seed)
            for row, every in why.items()
        },
        reasons={name: sum(name in r for r in ours) for name in ("error", "silent", "misfit")},
        costs=tuple(costs),
        copies=copies,
    )


def in_key_rate(heard: Heard, key_weights: NDArray[np.floating]) -> float:
    """Share of a band's chroma on the scale of a key.

    Args:
        heard: The band.
        key_weights: What tells the key [12], such as how long the score's chords hold each class.

    Returns:
        Share in [0, 1]; 7/12 for all classes alike. 0 for a band without pitch, NaN without a key.
    """
    if not np.any(key_weights):
        return float("nan")
    key = estimate_key(key_weights)
    root = parse_chord(key).root or 0
    scale = [(root + step) % 12 for step in _SCALES[key[-3:]]]
    power = unit_frames(heard.chroma) ** 2
    total = float(power.sum())
    return float(power[:, scale].sum()) / total if total > 0 else 0.0


def beat_lock_rate(heard: Heard, beats: NDArray[np.float64]) -> float:
    """Share of beats that a band marks within ±70 ms.

    Args:
        heard: The band.
        beats: Of the score, in seconds.

    Returns:
        Share in [0, 1]; NaN with under two beats.
    """
    seconds = float(heard.chroma_times[-1]) if len(heard.chroma) else 0.0
    asked = beats[beats < seconds]
    if len(asked) < 2:
        return float("nan")
    found = track_beats(heard, tempo_of(asked))
    if len(found) == 0:
        return 0.0
    nearest = np.abs(asked[:, None] - found[None]).min(axis=1)
    return float(np.mean(nearest <= BEAT_TOLERANCE_SECONDS))


def write_kpis(kpis: Kpis, evaluation: Evaluation, folder: Path) -> str:
    """Write `kpi.json`, `kpi.md` and `kpi.html`; return the Markdown."""
    text = _markdown(kpis, evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    content = {"facts": dict(evaluation.facts), "names": evaluation.names, **asdict(kpis)}
    if kpis.copies is not None:
        content["near_copy_rate"] = kpis.copies.rate
    write_json(content, folder / "kpi.json")
    (folder / "kpi.md").write_text(text, encoding="utf-8")
    rates = {"in-key rate": kpis.in_key, "beat-lock rate": kpis.beat_lock, "retries": kpis.retries}
    figures = [
        figure(name, "", interval_chart(values, limits=(0.0, 1.0)))
        for name, values in rates.items()
    ]
    (folder / "kpi.html").write_text(page("banso: key figures", figures, text), encoding="utf-8")
    return text


def _reasons(evaluation: Evaluation, row: str, failed: set[str]) -> list[set[str]]:
    """Why each input would have to be tried again."""
    scores = evaluation.rows[row]
    found = []
    columns = (evaluation.names, scores["silent_share"], scores["retrieval"])
    for name, silent, retrieval in zip(*columns, strict=True):
        why = {"error"} if row.startswith("ours") and name in failed else set()
        if silent > _MOST_SILENT:
            why.add("silent")
        if retrieval < _WORST_RETRIEVAL:
            why.add("misfit")
        found.append(why)
    return found


def _markdown(kpis: Kpis, evaluation: Evaluation) -> str:
    facts = "".join(f"- {name}: {value}\n" for name, value in evaluation.facts.items())
    rows = list(kpis.in_key)
    lines = [
        [name, *(interval_text(values[row], 2) for row in rows)]
        for name, values in (
            ("in-key rate", kpis.in_key),
            ("beat-lock rate", kpis.beat_lock),
            ("share of inputs needing a retry", kpis.retries),
        )
    ]
    why = ", ".join(f"{count} × {reason}" for reason, count in kpis.reasons.items())
    head = (
        f"{len(evaluation.names)} items, seed {evaluation.seed}\n{facts}- retries of ours: {why}\n"
    )
    return (
        f"{head}\n"
        f"## Quality, mean [95 % interval]\n\n{table(['', *map(row_text, rows)], lines)}\n"
        f"## Cost and originality\n\n{table(['', 'value'], [*_cost_lines(kpis), _copies(kpis)])}"
    )


def _cost_lines(kpis: Kpis) -> list[list[str]]:
    if not kpis.costs:
        return []
    minutes = [cost.music_seconds / 60 for cost in kpis.costs]
    clock = np.median([c.clock_seconds / m for c, m in zip(kpis.costs, minutes, strict=True)])
    processor = np.median([c.cpu_seconds / m for c, m in zip(kpis.costs, minutes, strict=True)])
    memory = max(cost.peak_mib for cost in kpis.costs)
    machine = kpis.costs[0].machine
    return [
        [
            "clock seconds per minute of music",
            f"{clock:.2f} (median of {len(kpis.costs)}; {machine})",
        ],
        ["processor seconds per minute of music", f"{processor:.2f}"],
        ["peak memory", f"{memory:.0f} MiB"],
    ]


def _copies(kpis: Kpis) -> list[str]:
    name = "near-copy rate against the training set"
    if kpis.copies is None:
        return [name, "not measured: no training data given"]
    nearest = max(neighbour.similarity for neighbour in kpis.copies.nearest)
    return [
        name,
        f"{kpis.copies.rate:.3f} (nearest {nearest:.3f}, threshold {kpis.copies.threshold:.3f})",
    ]
