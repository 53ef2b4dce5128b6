"""Make regions of an accompaniment anew and leave the rest as it is, to the last bit.

The previous accompaniment is encoded around each region, the denoiser fills the gap with both
sides known, and what it made is faded in and out inside the region.

References:
    Fink, Holters and Zölzer 2016, "Signal-matched power-complementary cross-fading and dry-wet
    mixing", DAFx: fades that keep the power however much the two signals have in common.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from banso.audio import Recording, Samples, exactly
from banso.conditioning import Known
from banso.delivery import OUTPUT_SAMPLE_RATE, Delivery
from banso.encoding import between, encode_between
from banso.errors import AudioError, ConfigError
from banso.fileformats import AnySamples, to_integers
from banso.generation import EvaluationCount
from banso.loudness import LoudnessMeter
from banso.mixing import Balance, safe_gain
from banso.others import expected_lufs
from banso.player import Player
from banso.regions import Region, Span, Stretch, plan_stretches, spans_of
from banso.renditions import Brief, Studio, condition
from banso.results import BundleName, Provenance
from banso.scratch import Scratch
from banso.stopwatch import Timings
from banso.take import Take, record
from banso.truepeak import true_peak

# 46 ms, one latent frame: shorter fades cut into attacks, longer ones let two bands play at once.
_FADE_SAMPLES = 2_048
# Twelve seconds on either side: as much as a window knows of the one before it.
_CONTEXT_FRAMES = 256
# Opposite signals cannot be kept at full power; beyond this a fade would amplify what is left.
_LEAST_NORM = 0.5
# The decoder's own change of level is below 1 dB; a context that says much else is no measure.
_MAX_CORRECTION_DB = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """New sound for a span of samples.

    Attributes:
        span: Where it goes.
        sound: The new sound, as long as the span, at the old one's level.
        head: Weights [2, fade] of old and new sound at the beginning.
        tail: Weights [2, fade] of old and new sound at the end.
    """

    span: Span
    sound: Scratch
    head: Samples
    tail: Samples

    def weights(self, start: int, stop: int) -> Samples:
        """Weights [2, samples] of old and new sound between two samples of the span."""
        weights = np.repeat(np.array([[0], [1]], np.float32), stop - start, axis=1)
        first_of_tail = self.span.stop - self.span.start - self.tail.shape[1]
        for place, fade in ((0, self.head), (first_of_tail, self.tail)):
            low, high = max(start, place), min(stop, place + fade.shape[1])
            if low < high:
                weights[:, low - start : high - start] = fade[:, low - place : high - place]
        return weights


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Repainting:
    """What came of repainting.

    Attributes:
        patches: What is new, in order.
        raw: The whole accompaniment as it is now.
        take: What is known of it.
        regions: As asked for.
    """

    patches: tuple[Patch, ...]
    raw: Scratch
    take: Take
    regions: tuple[Region, ...]

    def delivery(self, vocals: Recording, vocal_gain_db: float = 0.0) -> Delivery:
        """Return it beside the voice; its level is set already."""
        gains = Balance(alone=1.0, in_mix=1.0, vocals=10 ** (vocal_gain_db / 20))
        return self.take.delivery(vocals, self.raw, gains)

    def provenance(self, bundle: BundleName, timings: Timings) -> Provenance:
        """Return how it came about."""
        told = self.take.provenance(Balance(1.0, 1.0, 1.0), bundle, timings)
        return dataclasses.replace(told, regions=self.regions)


def repaint(
    player: Player,
    brief: Brief,
    previous: Recording,
    regions: Sequence[Region],
    seed: int,
    studio: Studio,
) -> Repainting:
    """Make regions of an accompaniment anew.

    Args:
        player: Makes it.
        brief: What goes with the voice.
        previous: The accompaniment, stereo at 44.1 kHz.
        regions: What to replace.
        seed: Of the noise.
        studio: Where to keep it.

    Raises:
        AudioError: If the accompaniment is not this voice's.
        ConfigError: If a region lies outside the song, or an option makes no sense here.
    """
    if brief.options.stems or brief.options.variations > 1:
        raise ConfigError(
            "stems and variations cannot be had of a repainted region; leave them out"
        )
    check_previous(previous, brief.num_samples)
    spans = spans_of(regions, OUTPUT_SAMPLE_RATE, brief.num_samples)
    count = EvaluationCount()
    patches = tuple(make_patches(player, brief, previous, spans, seed, studio, count))
    raw = studio.scratch()
    now = repainted(previous.blocks(), patches)
    take = Take(
        listening=brief.listening,
        lead_sheet=brief.lead_sheet,
        num_samples=brief.num_samples,
        level=record(as_sound(now), raw),
        seed=seed,
        num_evaluations=count.num_evaluations,
        parts=brief.parts,
    )
    return Repainting(patches=patches, raw=raw, take=take, regions=tuple(sorted(regions)))


def check_previous(previous: Recording, num_samples: int) -> None:
    """Raise an AudioError unless a recording can be the accompaniment of a voice.

    Args:
        previous: What is to be repainted.
        num_samples: Length of the voice at 44.1 kHz.
    """
    if (previous.sample_rate, previous.num_channels) != (OUTPUT_SAMPLE_RATE, 2):
        raise AudioError(
            f"{previous.name} has {previous.num_channels} channels at {previous.sample_rate} Hz; "
            "repaint an accompaniment as banso writes it, stereo at 44100 Hz"
        )
    if previous.num_samples != num_samples:
        raise AudioError(
            f"{previous.name} has {previous.num_samples} samples, the voice {num_samples} at 44.1 "
            "kHz; repaint the accompaniment of this voice"
        )


def make_patches(
    player: Player,
    brief: Brief,
    previous: Recording,
    spans: Sequence[Span],
    seed: int,
    studio: Studio,
    count: EvaluationCount,
) -> Iterator[Patch]:
    """Make new sound for some spans of an accompaniment.

    Args:
        player: Makes it.
        brief: What goes with the voice.
        previous: The accompaniment, stereo at 44.1 kHz.
        spans: What to replace, in order and apart.
        seed: Of the noise.
        studio: Where to keep it.
        count: Is told of every run of the network.

    Yields:
        A patch for each span, in order.
    """
    conditioning = condition(player, brief, studio)
    samples_per_frame = player.codec.hop_length * OUTPUT_SAMPLE_RATE / player.codec.sample_rate
    gain = 10 ** ((expected_lufs(brief.parts) - _lufs(previous)) / 20)
    stretches = plan_stretches(spans, samples_per_frame, len(conditioning), _CONTEXT_FRAMES)
    for index, stretch in enumerate(stretches):
        stage = studio.stage(index, len(stretches))
        latents = _filled(player, brief, previous, conditioning, stretch, gain, seed, stage, count)
        start = round(stretch.first * samples_per_frame)
        stop = min(brief.num_samples, round(stretch.last * samples_per_frame))
        made = studio.scratch()
        sound = player.decode(iter([latents]), stop - start, brief.listening.tuning_cents)
        for block in studio.watch.timed(sound, "decode"):
            made.append(block)
        old = exactly(between(previous.blocks(), start, stop), stop - start)
        level = _matching_gain(old, made, stretch.spans, start, 1 / gain)
        for span in stretch.spans:
            yield _patch(previous, made, span, start, level, studio)


def _filled(
    player: Player,
    brief: Brief,
    previous: Recording,
    conditioning: Samples,
    stretch: Stretch,
    gain: float,
    seed: int,
    studio: Studio,
    count: EvaluationCount,
) -> Samples:
    """Latents of a stretch, with what is missing written."""
    rate, tuning = player.codec.sample_rate, brief.listening.tuning_cents
    with studio.watch.measure("features"):
        loud = (np.float32(gain) * block for block in previous.blocks(rate))
        old = encode_between(player.codec, loud, stretch.first, stretch.last, tuning)
    with studio.watch.measure("denoise"):
        return player.fill(
            conditioning[stretch.first : stretch.last],
            Known(old, stretch.known),
            stretch.first,
            seed,
            brief.options,
            studio.on_progress,
            count,
        )


def repainted(
    blocks: Iterable[AnySamples], patches: Iterable[Patch], num_bits: int | None = None
) -> Iterator[AnySamples]:
    """Put new sound into an accompaniment.

    Args:
        blocks: The accompaniment [2, samples] each, as `AudioReader.exact_blocks` gives it.
        patches: In order and apart; their sound is drawn.
        num_bits: Of its samples, if they are whole numbers.

    Yields:
        Blocks of the same lengths and type; outside the patches' spans the very same samples.
    """
    waiting = list(patches)
    for patch in waiting:
        patch.sound.rewind()
    position = 0
    for block in blocks:
        end = position + block.shape[1]
        changed = block
        for patch in waiting:
            start, stop = max(position, patch.span.start), min(end, patch.span.stop)
            if start < stop:
                changed = block.copy() if changed is block else changed
                part = slice(start - position, stop - position)
                old = _as_float(block[:, part])
                to_old, to_new = patch.weights(start - patch.span.start, stop - patch.span.start)
                mixed = to_old * old + to_new * patch.sound.read(stop - start)
                exact = mixed if num_bits is None else to_integers(mixed, num_bits)
                changed[:, part] = exact
        position = end
        yield changed


def as_sound(blocks: Iterable[AnySamples]) -> Iterator[Samples]:
    """Yield exact blocks as float32, full scale ±1."""
    return (_as_float(block) for block in blocks)


def _as_float(block: AnySamples) -> Samples:
    if block.dtype.kind == "i":
        return (block / 2.0**31).astype(np.float32)
    return block.astype(np.float32)


def _lufs(recording: Recording) -> float:
    """Loudness of a whole recording; of a silent one, that of a band."""
    meter = LoudnessMeter(recording.sample_rate)
    for block in recording.blocks():
        meter.add(block)
    lufs = meter.integrated_lufs
    return lufs if np.isfinite(lufs) else expected_lufs(())


def _matching_gain(
    old: Iterable[Samples], made: Scratch, spans: Sequence[Span], start: int, usual: float
) -> float:
    """Return the gain that makes new sound as loud as the old around the spans.

    Args:
        old: What was there, in blocks.
        made: What was made; around the spans it is the old sound again, by way of the codec.
        spans: What is not compared.
        start: Sample at which both begin.
        usual: The gain if the codec did not change the level.
    """
    meters = LoudnessMeter(OUTPUT_SAMPLE_RATE), LoudnessMeter(OUTPUT_SAMPLE_RATE)
    made.rewind()
    for block in old:
        heard = np.ones(block.shape[1], np.float32)
        for span in spans:
            heard[max(0, span.start - start) : max(0, span.stop - start)] = 0
        meters[0].add(block * heard)
        meters[1].add(made.read(block.shape[1]) * heard)
        start += block.shape[1]
    difference = meters[0].integrated_lufs - meters[1].integrated_lufs
    correction_db = difference - 20 * np.log10(usual)
    if not np.isfinite(correction_db):
        return usual
    limited = np.clip(correction_db, -_MAX_CORRECTION_DB, _MAX_CORRECTION_DB)
    return float(usual * 10 ** (limited / 20))


def _patch(
    previous: Recording, made: Scratch, span: Span, start: int, gain: float, studio: Studio
) -> Patch:
    """Cut a span out of what was made, and prepare its fades."""
    length = span.stop - span.start
    new = between(made.blocks(), span.start - start, span.stop - start)
    safe = safe_gain(true_peak(new))
    sound = studio.scratch()
    for block in between(made.blocks(), span.start - start, span.stop - start):
        sound.append(np.float32(min(gain, safe)) * block)
    size = min(_FADE_SAMPLES, length // 2)
    heads = [_first(source, size) for source in (_old(previous, span), sound.blocks())]
    tails = [_last(source, size) for source in (_old(previous, span), sound.blocks())]
    none = np.zeros((2, 0), np.float32)
    return Patch(
        span,
        sound,
        none if span.start == 0 else fade(*heads),
        none if span.stop == previous.num_samples else fade(*tails)[:, ::-1],
    )


def fade(old: Samples, new: Samples) -> Samples:
    """Weights [2, samples] that lead from an old to a new sound at steady power.

    Args:
        old: [2, samples].
        new: [2, samples].
    """
    power = float(np.sqrt(np.square(old).sum() * np.square(new).sum()))
    likeness = float((old * new).sum()) / power if power > 0 else 0.0
    angle = np.pi / 2 * (np.arange(old.shape[1]) + 0.5) / old.shape[1]
    norm = np.sqrt(np.maximum(1 + likeness * np.sin(2 * angle), _LEAST_NORM**2))
    return np.asarray(np.stack([np.cos(angle), np.sin(angle)]) / norm, dtype=np.float32)


def _old(previous: Recording, span: Span) -> Iterator[Samples]:
    return between(previous.blocks(), span.start, span.stop)


def _first(blocks: Iterable[Samples], size: int) -> Samples:
    return np.concatenate(list(between(blocks, 0, size)), axis=1)


def _last(blocks: Iterable[Samples], size: int) -> Samples:
    """The last samples of a stream of blocks."""
    held = np.zeros((2, 0), np.float32)
    for block in blocks:
        held = np.concatenate((held, block), axis=1)[:, -size:]
    return held
