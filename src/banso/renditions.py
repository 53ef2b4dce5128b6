"""One way to play a song with a voice: the whole band at once, or part after part.

Part after part, each one hears those before it: drums first, then bass, harmony and what is extra.
What has been played is encoded again for the next one, as sound that was recorded would be.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from banso.audio import Recording, Samples, summed
from banso.conditioning import PART_NAMES
from banso.count_in import counted_in, plan_count_in
from banso.decoding import Codec
from banso.delivery import OUTPUT_SAMPLE_RATE, Delivery
from banso.generation import EvaluationCount, OnProgress
from banso.leadsheet import LeadSheet
from banso.listening import Listening
from banso.notes import sung_notes
from banso.options import GenerationOptions
from banso.others import Others, encode_sum
from banso.player import Player
from banso.scratch import Scratch
from banso.stopwatch import Stopwatch
from banso.take import Level, Take, record


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Brief:
    """What all renditions of a run share.

    Attributes:
        listening: What was heard in the voice.
        lead_sheet: Beats and chords to obey, or None.
        num_samples: Length of the accompaniment at 44.1 kHz.
        options: As asked for.
        others: Parts that are there already, or None.
    """

    listening: Listening
    lead_sheet: LeadSheet | None
    num_samples: int
    options: GenerationOptions
    others: Others | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Which parts to write, in the order in which they are played; none for the whole band."""
        wanted = self.options.parts
        if not wanted and self.others is not None:
            wanted = tuple(part for part in PART_NAMES if part != self.others.role)
        if not wanted and self.options.stems:
            wanted = PART_NAMES
        return tuple(part for part in PART_NAMES if part in wanted)


@dataclass(frozen=True, kw_only=True, slots=True)
class Studio:
    """Where a run keeps its sound, its time and its progress.

    Attributes:
        folder: Of sound that outgrows memory; None for the system's.
        share: Of the memory that sound may take, for each piece of it.
        watch: Charges the time.
        on_progress: Called with the fraction done, in [0, 1].
    """

    folder: Path | None
    share: float
    watch: Stopwatch
    on_progress: OnProgress

    def scratch(self) -> Scratch:
        """Return a place for one more piece of sound."""
        return Scratch(self.folder, self.share)

    def stage(self, index: int, num_stages: int) -> "Studio":
        """Return the same for one of several stages, whose progress is a part of the whole's."""

        def on_progress(fraction: float) -> None:
            self.on_progress((index + fraction) / num_stages)

        return dataclasses.replace(self, on_progress=on_progress)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rendition:
    """A generated accompaniment before its level is set.

    Attributes:
        take: What is known of it.
        raw: Its sound, stereo at 44.1 kHz.
        stems: The sound of each part, if played part after part; they add up to `raw`.
        others: Parts that were there already, or None.
    """

    take: Take
    raw: Scratch
    stems: Mapping[str, Scratch]
    others: Scratch | None = None

    def delivery(self, vocals: Recording, vocal_gain_db: float = 0.0) -> Delivery:
        """Return it beside the voice, ready to be written."""
        gains = self.take.gains(vocal_gain_db)
        return self.take.delivery(vocals, self.raw, gains, self.stems, self.others)

    def close(self) -> None:
        """Forget its sound."""
        for sound in (self.raw, *self.stems.values()):
            sound.close()


def perform(player: Player, brief: Brief, seed: int, studio: Studio) -> Rendition:
    """Play a song once.

    Args:
        player: Plays it.
        brief: What is to be played.
        seed: Of the noise.
        studio: Where to keep it.
    """
    count, stems, levels = EvaluationCount(), dict[str, Scratch](), list[Level]()
    if brief.options.stems:
        for part, sound, level in _in_turn(player, brief, seed, studio, count):
            stems[part] = sound
            levels.append(level)
        together = summed(sound.blocks() for sound in stems.values())
    else:
        together = _play(player, brief, condition(player, brief, studio), seed, studio, count)
        together = _counted(together, player, brief)
    raw = studio.scratch()
    whole = record(together, raw)
    # A part may reach higher than all of them together.
    peak = max(level.peak for level in (whole, *levels))
    take = Take(
        listening=brief.listening,
        lead_sheet=brief.lead_sheet,
        num_samples=brief.num_samples,
        level=Level(whole.lufs, peak),
        seed=seed,
        num_evaluations=count.num_evaluations,
        parts=brief.parts,
    )
    others = None if brief.others is None else brief.others.sound
    return Rendition(take=take, raw=raw, stems=stems, others=others)


def _in_turn(
    player: Player, brief: Brief, seed: int, studio: Studio, count: EvaluationCount
) -> Iterator[tuple[str, Scratch, Level]]:
    """Play part after part, each one hearing those before it."""
    stems: dict[str, Scratch] = {}
    for index, part in enumerate(brief.parts):
        own = dataclasses.replace(brief, options=dataclasses.replace(brief.options, parts=(part,)))
        conditioning = condition(player, own, studio, stems)
        stage = studio.stage(index, len(brief.parts))
        # The same noise for every part would tell each what the others made of it.
        own_seed = seed if index == 0 else _seed_of(seed, index)
        sound = _play(player, brief, conditioning, own_seed, stage, count)
        sound = _counted(sound, player, brief, clicks=index == 0)
        stems[part] = studio.scratch()
        yield part, stems[part], record(sound, stems[part])


def condition(
    player: Player, brief: Brief, studio: Studio, stems: Mapping[str, Scratch] | None = None
) -> Samples:
    """Lay out what is known of a song.

    Args:
        player: Knows how.
        brief: What is to be played.
        studio: Charges the time.
        stems: Parts that have been played already, beside the brief's others.

    Returns:
        float32 [frames, conditioning].
    """
    options = dataclasses.replace(brief.options, parts=brief.parts)
    sources = [sound.blocks() for sound in (stems or {}).values()]
    if brief.others is not None:
        sources.append(brief.others.blocks())
    with studio.watch.measure("features"):
        heard = None
        if sources:
            tuning = brief.listening.tuning_cents
            latents = encode_sum(player.codec, sources, brief.num_samples, tuning)
            heard = at_length(latents, len(brief.listening.features), player.codec)
        return player.condition(brief.listening, options, brief.lead_sheet, heard)


def at_length(latents: Samples, num_frames: int, codec: Codec) -> Samples:
    """Cut latents [frames, channels] to a length, or lengthen them by what silence is."""
    missing = num_frames - len(latents)
    if missing <= 0:
        return latents[:num_frames]
    silence = codec.encode(np.zeros((2, missing * codec.hop_length), np.float32))
    return np.concatenate((latents, silence[:missing]))


def _play(
    player: Player,
    brief: Brief,
    conditioning: Samples,
    seed: int,
    studio: Studio,
    count: EvaluationCount,
) -> Iterator[Samples]:
    """Yield the sound of what the conditioning says, [2, samples] each at 44.1 kHz."""
    generated = player.generate(conditioning, seed, brief.options, studio.on_progress, count)
    latents = studio.watch.timed(generated, "denoise")
    decoded = player.decode(latents, brief.num_samples, brief.listening.tuning_cents)
    return studio.watch.timed(decoded, "decode")


def _counted(
    sound: Iterator[Samples], player: Player, brief: Brief, *, clicks: bool = True
) -> Iterator[Samples]:
    """Let sticks count the singer in, if asked for."""
    if not brief.options.count_in:
        return sound
    frame_rate = player.codec.sample_rate / player.codec.hop_length
    first = next(iter(sung_notes(brief.listening.features, frame_rate)), None)
    planned = plan_count_in(brief.lead_sheet, None if first is None else first.start_seconds)
    return counted_in(sound, planned, OUTPUT_SAMPLE_RATE, clicks=clicks)


def _seed_of(seed: int, index: int) -> int:
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
