"""Evaluate a set of held-out items: every metric for true, ours, shuffled and baseline.

`shuffled` is another held-out song's true accompaniment against this item's score. `swapped` is
our output for this item against its partner's score: it must fall to the level of `shuffled` if
the output follows the voice that was given.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from banso.data.manifest import Item, Manifest, load_manifest
from banso.errors import DataError
from banso.eval.hearing import ANALYSIS_RATE, CHROMA_HOP, ONSET_HOP, Array, Heard, hear
from banso.eval.metrics import (
    chord_scores,
    heard_beat_f1,
    heard_chroma_cosine,
    key_agreement,
    onset_sync,
    sung_weights,
    vocal_onsets,
)
from banso.eval.statistics import derangement
from banso.files import read_audio
from banso.leadsheet import LeadSheet

Mode = Literal["given", "vocal", "auto"]
Row = dict[str, list[float]]

METRICS = (
    "chord_accuracy",
    "chroma_agreement",
    "beat_f1",
    "true_chroma_cosine",
    "key_agreement",
    "onset_sync",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalItem:
    """A held-out song; its audio is read when needed, so that a set fits in memory.

    Attributes:
        name: For the tables.
        sheet: The score on the item's time line.
        sample_rate: Of both recordings, in Hz.
        read_vocals: Returns the voice [channels, samples].
        read_accompaniment: Returns the true band [2, samples].
    """

    name: str
    sheet: LeadSheet
    sample_rate: int
    read_vocals: Callable[[], Array]
    read_accompaniment: Callable[[], Array]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reference:
    """What an accompaniment is measured against.

    Attributes:
        sheet: The score.
        accompaniment: The true band, analysed.
        voice_weights: How much the voice sings each pitch class [12].
        voice_onsets: Onsets of the voice in seconds.
    """

    sheet: LeadSheet
    accompaniment: Heard
    voice_weights: NDArray[np.floating]
    voice_onsets: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """All scores of a set.

    Attributes:
        names: The items, in order.
        seed: Of the shuffling and of the statistics.
        rows: Scores by row name, then metric, one per item: `true`, `shuffled`, `ours_<mode>`,
            `swapped_<mode>` and perhaps `baseline`.
    """

    names: tuple[str, ...]
    seed: int
    rows: Mapping[str, Row]


def load_items(folder: Path, *, split: str = "test", limit: int | None = None) -> list[EvalItem]:
    """Read the items of one split of a data set, one per song.

    Args:
        folder: Data set with a `manifest.json`.
        split: Which split.
        limit: At most so many songs.

    Returns:
        Items in order of their names.

    Raises:
        DataError: If the manifest is missing or the split has fewer than 2 songs.
    """
    manifest = load_manifest(folder)
    songs = {item.song_id: item for item in reversed(manifest.of_split(split))}
    items = sorted(songs.values(), key=lambda item: item.item_id)[:limit]
    if len(items) < 2:
        raise DataError(f"{folder} has {len(items)} songs in the split '{split}'; 2 are needed")
    return [_eval_item(manifest, item) for item in items]


def evaluate(
    items: Sequence[EvalItem],
    generate: Callable[[EvalItem, Mode], Array],
    *,
    modes: Sequence[Mode] = ("given", "vocal"),
    baseline: Callable[[EvalItem], Array] | None = None,
    seed: int = 0,
    workers: int = 2,
) -> Evaluation:
    """Measure true, shuffled, generated, swapped and baseline accompaniments of a set.

    Args:
        items: At least 2 held-out songs.
        generate: Makes an accompaniment [2, samples] at the item's rate: `given` may use the
            score's chords and beats, `vocal` the voice alone, `auto` what it plans itself.
        modes: Conditions to test.
        baseline: Another system's accompaniment of an item.
        seed: Decides who is shuffled with whom.
        workers: Processes that analyse recordings while the next one is generated.

    Returns:
        Scores of all rows.
    """
    partner = derangement(len(items), seed)
    with _pool(workers) as pool:
        rates = [item.sample_rate for item in items]
        bands = _hear_all(pool, (item.read_accompaniment() for item in items), rates)
        voices = _hear_all(pool, (item.read_vocals() for item in items), rates)
        references = [
            _reference(item, band, voice)
            for item, band, voice in zip(items, bands, voices, strict=True)
        ]
        rows = {
            "true": _measure_all(bands, references),
            "shuffled": _measure_all([bands[k] for k in partner], references),
        }
        for mode in modes:
            ours = _hear_all(pool, (generate(item, mode) for item in items), rates)
            rows[f"ours_{mode}"] = _measure_all(ours, references)
            rows[f"swapped_{mode}"] = _measure_all(ours, [references[k] for k in partner])
        if baseline is not None:
            outputs = _hear_all(pool, (baseline(item) for item in items), rates)
            rows["baseline"] = _measure_all(outputs, references)
    return Evaluation(names=tuple(item.name for item in items), seed=seed, rows=rows)


def measure(heard: Heard, reference: Reference) -> dict[str, float]:
    """Measure one analysed accompaniment by every metric, over the time both have.

    Args:
        heard: The accompaniment.
        reference: What it should follow.

    Returns:
        Score by metric; NaN where the reference does not allow one.
    """
    frames = min(len(heard.chroma), len(reference.accompaniment.chroma))
    seconds = frames * CHROMA_HOP / ANALYSIS_RATE
    heard = _shortened(heard, seconds)
    sheet = reference.sheet
    chords = chord_scores(heard, [span for span in sheet.chords if span.start_seconds < seconds])
    values = (
        chords.accuracy,
        chords.agreement,
        heard_beat_f1(np.array([beat for beat in sheet.beats if beat < seconds]), heard),
        heard_chroma_cosine(reference.accompaniment, heard),
        key_agreement(heard, reference.voice_weights),
        onset_sync(heard, reference.voice_onsets),
    )
    return dict(zip(METRICS, values, strict=True))


def _eval_item(manifest: Manifest, item: Item) -> EvalItem:
    def reader(name: str) -> Callable[[], Array]:
        return lambda: read_audio(manifest.path(item, name)).samples

    return EvalItem(
        name=item.item_id,
        sheet=item.lead_sheet,
        sample_rate=item.sample_rate,
        read_vocals=reader("vocals.flac"),
        read_accompaniment=reader("accompaniment.flac"),
    )


def _reference(item: EvalItem, band: Heard, voice: Heard) -> Reference:
    return Reference(
        sheet=item.sheet,
        accompaniment=band,
        voice_weights=sung_weights(voice),
        voice_onsets=vocal_onsets(voice),
    )


def _measure_all(heard: Sequence[Heard], references: Sequence[Reference]) -> Row:
    scores = [measure(h, r) for h, r in zip(heard, references, strict=True)]
    return {metric: [score[metric] for score in scores] for metric in METRICS}


def _shortened(heard: Heard, seconds: float) -> Heard:
    num_frames = round(seconds * ANALYSIS_RATE / CHROMA_HOP)
    return replace(
        heard,
        chroma=heard.chroma[:num_frames],
        level_db=heard.level_db[:num_frames],
        onset_strength=heard.onset_strength[: round(seconds * ANALYSIS_RATE / ONSET_HOP)],
    )


def _pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, because the parent may hold the threads of an inference session.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _hear_all(
    pool: ProcessPoolExecutor, recordings: Iterable[Array], rates: Sequence[int]
) -> list[Heard]:
    return list(_heard_in_order(pool, zip(recordings, rates, strict=True)))


def _heard_in_order(
    pool: ProcessPoolExecutor, recordings: Iterable[tuple[Array, int]]
) -> Iterator[Heard]:
    """Analyse in the pool with at most three recordings waiting, so that memory stays small."""
    waiting: deque[Future[Heard]] = deque()
    for samples, rate in recordings:
        waiting.append(pool.submit(hear, samples, rate))
        if len(waiting) > 3:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
