"""Evaluate a set: every metric for true, ours, shuffled and baseline.

`shuffled` is another song's true accompaniment under this voice. `swapped` is our output for this
item under its partner's voice and score: it must fall to the level of `shuffled` if the output
follows the voice that was given. `codec` is the true band after a round trip through the codec,
the most that latents can hold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from banso.errors import BansoError, DataError
from banso.eval.fit import Fit, rank
from banso.eval.frechet import Moments
from banso.eval.gallery import Gallery, Picture, Rendition
from banso.eval.hearing import Heard
from banso.eval.observation import Observation, Observer, Store, analysis_digest, name_of
from banso.eval.scoring import METRICS, PROPERTIES, Reference, fit_of, measure
from banso.eval.sets import EvalItem
from banso.eval.statistics import derangement
from banso.eval.sung import Sung, hear_singing

Mode = Literal["given", "vocal", "auto"]
Row = dict[str, list[float]]
Maker = Callable[[EvalItem], Rendition]

NUM_CANDIDATES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """Something that makes bands.

    Attributes:
        row: Its name in the tables.
        make: Makes the band of an item.
        identity: Everything that decides what it makes, the item aside; empty if not known.
        swapped: Whether to show its bands under other voices too.
    """

    row: str
    make: Maker
    identity: str = ""
    swapped: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """All scores of a set.

    Attributes:
        names: The items, in order.
        seed: Of the shuffling and of the statistics.
        rows: Scores by row name, then metric, one per item: `true`, `shuffled`, the systems' rows,
            `swapped_<row>` and perhaps `codec`.
        num_candidates: Among how many bands the own one was looked for.
        ranks: Rank of the own band among them by row, one per item.
        moments: Sums over latents by row, one per item; empty without a codec.
        partners: Whose band is `shuffled` under each item's voice, by position.
        observations: The bands themselves, as observed, by row.
        distances: Distances of sets from the true one by judges of sets, by judge, then by row.
        facts: What else a reader has to know, such as the bundle and the set.
    """

    names: tuple[str, ...]
    seed: int
    rows: Mapping[str, Row]
    num_candidates: int = 0
    ranks: Mapping[str, list[float]] = field(default_factory=dict)
    moments: Mapping[str, list[Moments]] = field(default_factory=dict)
    partners: tuple[int, ...] = ()
    observations: Mapping[str, Sequence[Observation]] = field(default_factory=dict)
    distances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How an evaluation is run.

    Attributes:
        seed: Decides who is shuffled with whom, and who competes in the retrieval.
        workers: Processes that look at bands while the next one is made; 0 for none.
        observer: How they look.
        store: What is known already.
        bystanders: Songs whose bands only compete in the retrieval.
        partners: Songs whose bands are `shuffled`; empty for those of the set itself.
        audio: Folder in which to keep true bands and what the systems made, by row; None for none.
        on_progress: Called with the fraction done.
    """

    seed: int = 0
    workers: int = 2
    observer: Observer = field(default_factory=Observer)
    store: Store = field(default_factory=lambda: Store(None))
    bystanders: Sequence[EvalItem] = ()
    partners: Sequence[EvalItem] = ()
    audio: Path | None = None
    on_progress: Callable[[float], None] | None = None


def evaluate(items: Sequence[EvalItem], systems: Sequence[System], plan: Plan) -> Evaluation:
    """Measure true, shuffled, made and swapped accompaniments of a set.

    Args:
        items: At least 2 songs, all with a true band or all without.
        systems: What makes bands; ours, baselines.
        plan: How to run it.

    Returns:
        Scores of all rows. Without true bands `shuffled` is the first system's band for another
        voice, and there is no row `true`.
    """
    partner = _partners([item.group or item.name for item in items], plan.seed)
    steps = (len(systems) + 1) * len(items) + len(plan.partners) + len(plan.bystanders)
    with Gallery(plan.observer, plan.store, plan.workers, plan.on_progress, steps) as gallery:
        true = _true(gallery, items, plan, plan.audio)
        strangers = _true(gallery, plan.partners, plan)
        bystanders = _true(gallery, plan.bystanders, plan)
        made = {system.row: _made_by(gallery, system, items, plan) for system in systems}
    voices = [hear_singing(item.read_vocals(), item.sample_rate) for item in items]
    heard: list[Heard | None] = [band.heard for band in true] or [None] * len(items)
    references = [
        Reference(sheet=item.sheet, band=band, voice=voice)
        for item, band, voice in zip(items, heard, voices, strict=True)
    ]
    others = true or made[systems[0].row]
    shuffled = [strangers[k % len(strangers)] if strangers else others[k] for k in partner]
    bands = {**({"true": true} if true else {}), "shuffled": shuffled, **made}
    rows = {row: _measured(every, references) for row, every in bands.items()}
    for system in systems:
        if system.swapped and true:
            swapped = [references[k] for k in partner]
            rows[f"swapped_{system.row}"] = _measured(made[system.row], swapped)
    pool = [*others, *strangers, *bystanders]
    competition = _Competition(voices, items, plan, pool)
    ranks = {row: competition.ranks(every) for row, every in bands.items()}
    for row, values in rows.items():
        values["retrieval"] = competition.shares(ranks.get(row, []))
    return Evaluation(
        names=tuple(item.name for item in items),
        seed=plan.seed,
        rows=rows,
        num_candidates=competition.num_candidates,
        ranks=ranks,
        moments=_moments(bands),
        partners=partner,
        observations=bands,
    )


def band_file(audio: Path, row: str, index: int) -> Path:
    """Return where the band of an item is kept."""
    return audio / row / f"{index:03d}.flac"


class _Competition:
    """Looks for each voice's own band among others', the same others for every row."""

    def __init__(
        self,
        voices: Sequence[Sung],
        items: Sequence[EvalItem],
        plan: Plan,
        pool: Sequence[Observation],
    ) -> None:
        groups = [item.group or item.name for item in (*items, *plan.partners, *plan.bystanders)]
        rng = np.random.default_rng(plan.seed)
        order = rng.permutation(len(pool))
        self._voices = voices
        self._others: list[list[Fit]] = []
        chosen = [
            [k for k in order if groups[k] != (item.group or item.name)][: NUM_CANDIDATES - 1]
            for item in items
        ]
        # All voices have as many competitors, so that ranks compare.
        least = min(map(len, chosen))
        for voice, picks in zip(voices, chosen, strict=True):
            self._others.append([fit_of(pool[k], voice) for k in picks[:least]])
        self.num_candidates = least + 1

    def shares(self, ranks: Sequence[float]) -> list[float]:
        """Share of the other bands that each own band beats; NaN where there is no rank."""
        others = max(1, self.num_candidates - 1)
        known = [1 - (place - 1) / others for place in ranks]
        return known or [float("nan")] * len(self._voices)

    def ranks(self, bands: Sequence[Observation]) -> list[float]:
        """Rank of one band for each voice."""
        return [
            rank(fit_of(band, voice), others) if others else float("nan")
            for band, voice, others in zip(bands, self._voices, self._others, strict=True)
        ]


def _made_by(
    gallery: Gallery, system: System, items: Sequence[EvalItem], plan: Plan
) -> list[Observation]:
    pictures: list[Picture] = []
    for item in items:
        name = ""
        if item.identity and system.identity:
            known = (system.identity, item.identity, repr(item.sheet), str(plan.observer))
            name = name_of(*known, analysis_digest())
        file = None if plan.audio is None else band_file(plan.audio, system.row, len(pictures))
        pictures.append(Picture(name=name, make=_making(system.make, item), audio_file=file))
    return gallery.observe(pictures)


def _making(make: Maker, item: EvalItem) -> Callable[[], Rendition]:
    def make_named() -> Rendition:
        try:
            return make(item)
        except BansoError as error:
            raise DataError(f"{item.name}: {error}") from error

    return make_named


def _true(
    gallery: Gallery, items: Sequence[EvalItem], plan: Plan, audio: Path | None = None
) -> list[Observation]:
    """Observe the true bands; empty if the items have none."""
    pictures: list[Picture] = []
    for item in items:
        read = item.read_accompaniment
        if read is None:
            return []
        name = name_of("true", item.identity, analysis_digest(), str(plan.observer))
        pictures.append(
            Picture(
                name=name if item.identity else "",
                make=_reading(read, item.sample_rate),
                audio_file=None if audio is None else band_file(audio, "true", len(pictures)),
            )
        )
    return gallery.observe(pictures)


def _reading(read: Callable[[], np.ndarray], sample_rate: int) -> Callable[[], Rendition]:
    return lambda: Rendition(samples=read(), sample_rate=sample_rate)


def _partners(groups: Sequence[str], seed: int) -> tuple[int, ...]:
    """Give every item another one, of another song where there is one."""
    partner = list(derangement(len(groups), seed))
    rng = np.random.default_rng(seed)
    for index, group in enumerate(groups):
        strange = [k for k, other in enumerate(groups) if other != group]
        if strange and groups[partner[index]] == group:
            partner[index] = int(rng.choice(strange))
    return tuple(partner)


def _measured(bands: Sequence[Observation], references: Sequence[Reference]) -> Row:
    scores = [measure(band, ref) for band, ref in zip(bands, references, strict=True)]
    names = (*METRICS, *PROPERTIES)
    return {name: [score.get(name, float("nan")) for score in scores] for name in names}


def _moments(bands: Mapping[str, Sequence[Observation]]) -> dict[str, list[Moments]]:
    known = {
        row: [band.moments for band in every if band.moments is not None]
        for row, every in bands.items()
        if row != "shuffled"
    }
    return {row: every for row, every in known.items() if every}
