"""Evaluate plans of held-out songs: key, chords, tempo and beats found in the voice alone.

References:
    MIREX audio key detection (weights of related keys). Harte 2010, chapter 8, and mir_eval (Raffel
    et al. 2014, ISMIR): overlap of major and minor chords. Davies et al. 2009, QMUL C4DM-TR-09-06:
    beat F-measure within 70 ms. Gouyon et al. 2006, IEEE TASLP 14(5): tempo within 4 %, octaves.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray

from banso.audio import Audio
from banso.eval.sets import EvalItem
from banso.eval.statistics import mean_interval
from banso.leadsheet import ChordSpan, LeadSheet
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.song_plan import SongPlan

BEAT_TOLERANCE_SECONDS = 0.07
TEMPO_TOLERANCE = 0.04
_OCTAVES = (1.0, 2.0, 0.5, 3.0, 1 / 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanScores:
    """How a plan compares with the score; all in [0, 1], NaN where the score says nothing.

    Attributes:
        key: MIREX-weighted.
        chords: Overlap of major and minor triads.
        chords_given_beats: The same, the true beats and bars given.
        tempo: 1 within 4 % of the score's.
        tempo_or_octave: 1 within 4 % of it, its double, half, triple or third.
        beats: F-measure within 70 ms.
        downbeats: The same for first beats of bars.
        confidence: Of the tempo, as the plan says.
        sure: 1 if the band would play on these beats.
        beats_if_sure: F-measure of the beats, NaN where the plan withholds them.
    """

    key: float
    chords: float
    chords_given_beats: float
    tempo: float
    tempo_or_octave: float
    beats: float
    downbeats: float
    confidence: float
    sure: float
    beats_if_sure: float


def score_plan(truth: LeadSheet, plan: SongPlan, informed: SongPlan) -> PlanScores:
    """Compare plans with a score.

    Args:
        truth: The score on the recording's time line.
        plan: Found in the voice alone.
        informed: Found with the true beats and bars given.
    """
    beats = f_measure(truth.beats, plan.sheet.beats)
    return PlanScores(
        key=key_score(truth.key, plan.sheet.key),
        chords=chord_overlap(truth.chords, plan.sheet.chords),
        chords_given_beats=chord_overlap(truth.chords, informed.sheet.chords),
        tempo=_tempo_score(truth.tempo_bpm, plan.tempo_bpm, (1.0,)),
        tempo_or_octave=_tempo_score(truth.tempo_bpm, plan.tempo_bpm, _OCTAVES),
        beats=beats,
        downbeats=f_measure(truth.downbeats, plan.sheet.downbeats),
        confidence=plan.tempo_confidence,
        sure=float(plan.sure_of_beats),
        beats_if_sure=beats if plan.sure_of_beats else float("nan"),
    )


def key_score(truth: str | None, found: str | None) -> float:
    """MIREX-weighted score of a key: fifth 0.5, relative 0.3, parallel 0.2; NaN without truth."""
    if truth is None:
        return float("nan")
    if found is None:
        return 0.0
    return float(mir_eval.key.weighted_score(_key_words(truth), _key_words(found)))


def chord_overlap(truth: Sequence[ChordSpan], found: Sequence[ChordSpan]) -> float:
    """Share of the time of the truth's major and minor chords in which the same triad is found."""
    if not truth:
        return float("nan")
    if not found:
        return 0.0
    (times, labels), (own_times, own_labels) = _spans(truth), _spans(found)
    own_times, own_labels = mir_eval.util.adjust_intervals(
        own_times, own_labels, times.min(), times.max(), "N", "N"
    )
    merged, one, two = mir_eval.util.merge_labeled_intervals(times, labels, own_times, own_labels)
    hits = mir_eval.chord.majmin(one, two)
    seconds = mir_eval.util.intervals_to_durations(merged)
    return float(mir_eval.chord.weighted_accuracy(hits, seconds))


def evaluate_plans(
    accompanist: Accompanist,
    items: Sequence[EvalItem],
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, PlanScores]:
    """Plan songs from their voices and compare with the scores.

    Args:
        accompanist: Plans; its denoiser is not used.
        items: Songs with their scores; their bands are not looked at.
        on_progress: Called with the fraction done.

    Returns:
        Scores by name.
    """
    scores: dict[str, PlanScores] = {}
    for index, item in enumerate(items):
        truth = item.sheet
        listening = accompanist.listen(Audio(item.read_vocals(), item.sample_rate))
        plan = accompanist.song_plan(listening, GenerationOptions())
        grid = LeadSheet(beats=truth.beats, downbeats=truth.downbeats)
        informed = accompanist.song_plan(listening, GenerationOptions(lead_sheet=grid))
        scores[item.name] = score_plan(truth, plan, informed)
        if on_progress is not None:
            on_progress((index + 1) / len(items))
    return scores


def write_plans(scores: dict[str, PlanScores], out: Path, seed: int = 0) -> str:
    """Write `plans.json` and `plans.md`: means with 95 % bootstrap intervals; return the latter."""
    lines = ["| score | mean [95 %] | songs |", "|---|---|---|"]
    for field in fields(PlanScores):
        values = np.array([getattr(row, field.name) for row in scores.values()], np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            lines.append(f"| {field.name} | – | 0 |")
            continue
        interval = mean_interval(values, seed=seed)
        told = f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        lines.append(f"| {field.name} | {told} | {len(values)} |")
    text = "\n".join(lines) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "plans.md").write_text(text, encoding="utf-8")
    content = {name: _finite(asdict(row)) for name, row in scores.items()}
    (out / "plans.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return text


def _finite(row: dict[str, float]) -> dict[str, float | None]:
    """JSON knows no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in row.items()}


def f_measure(truth: Sequence[float], found: Sequence[float]) -> float:
    """F-measure of beats within 70 ms; NaN where there are none to find."""
    if len(truth) < 2:
        return float("nan")
    if not found:
        return 0.0
    return float(mir_eval.beat.f_measure(np.array(truth), np.array(found), BEAT_TOLERANCE_SECONDS))


def _tempo_score(truth: float | None, found: float | None, octaves: Sequence[float]) -> float:
    if truth is None:
        return float("nan")
    if found is None:
        return 0.0
    return float(any(abs(found / (truth * f) - 1) <= TEMPO_TOLERANCE for f in octaves))


def _key_words(label: str) -> str:
    tonic, _, mode = label.partition(":")
    return f"{tonic} {'minor' if mode.startswith('min') else 'major'}"


def _spans(spans: Sequence[ChordSpan]) -> tuple[NDArray[np.float64], list[str]]:
    """Intervals [spans, 2] and labels, with `N` between chords that do not touch."""
    times: list[tuple[float, float]] = []
    labels: list[str] = []
    for span in spans:
        start = max(span.start_seconds, times[-1][1] if times else span.start_seconds)
        if times and start > times[-1][1]:
            times.append((times[-1][1], start))
            labels.append("N")
        if span.end_seconds > start:
            times.append((start, span.end_seconds))
            labels.append(span.label)
    return np.array(times), labels
