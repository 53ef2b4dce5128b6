"""Several renditions of the same song, and which of them go best with the voice."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from banso.fit import Candidate, Fit, hear_band, measure_fit
from banso.leadsheet import SungNote
from banso.notes import sung_notes
from banso.options import MAX_SEED
from banso.player import Player
from banso.renditions import Brief, Rendition, Studio, perform


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What came of playing a song several times.

    Attributes:
        kept: The renditions that were asked for, best first.
        candidates: All that were played, best first; empty if there was only one.
    """

    kept: tuple[Rendition, ...]
    candidates: tuple[Candidate, ...]


def perform_variations(
    player: Player, brief: Brief, seed: int, studio: Studio, stack: ExitStack
) -> Choice:
    """Play a song as often as asked for, and rank what came of it.

    Args:
        player: Plays it.
        brief: What is to be played; its options say how often and what to keep.
        seed: Of the first rendition; the others' count up from it.
        studio: Where to keep them.
        stack: Closes what is kept; what is not kept is closed at once, since it may be large.
    """
    number, keep_all = brief.options.variations, brief.options.keep == "all"
    if number == 1:
        only = perform(player, brief, seed, studio)
        stack.callback(only.close)
        return Choice((only,), ())
    with studio.watch.measure("features"):
        notes = sung_notes(brief.listening.features, brief.listening.frame_rate)
    kept: list[tuple[Fit, Rendition]] = []
    candidates: list[Candidate] = []
    for index in range(number):
        own_seed = (seed + index) % (MAX_SEED + 1)
        rendition = perform(player, brief, own_seed, studio.stage(index, number))
        stack.callback(rendition.close)
        with studio.watch.measure("features"):
            fit = _fit(player, brief, rendition, notes)
        candidates.append(Candidate(own_seed, fit))
        kept.append((fit, rendition))
        kept.sort(key=lambda pair: -pair[0].score)
        while len(kept) > 1 and not keep_all:
            kept.pop()[1].close()
    candidates.sort(key=lambda candidate: -candidate.fit.score)
    return Choice(tuple(rendition for _, rendition in kept), tuple(candidates))


def _fit(player: Player, brief: Brief, rendition: Rendition, notes: Sequence[SungNote]) -> Fit:
    listening = brief.listening
    codec = player.codec
    band = hear_band(
        rendition.raw.blocks(),
        brief.num_samples,
        (codec.sample_rate, codec.hop_length),
        len(listening.features),
        listening.tuning_cents,
    )
    return measure_fit(notes, band, listening.frame_rate)
