"""What makes bands in an evaluation: the bundle under each condition, its codec, the baseline."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import banso
from banso.audio import Audio
from banso.eval.baseline import accompany_by_rule
from banso.eval.gallery import Rendition
from banso.eval.observation import generation_digest, name_of
from banso.eval.robustness import conditions, spoilt
from banso.eval.sets import EvalItem
from banso.eval.stems import STEM_RATE
from banso.eval.suite import Mode, System
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.runtime import OnnxCodec, OnnxWaveformCodec
from banso.windows import plan_windows

# What decides these bands beside the code that `generation_digest` covers.
_OF_BASELINE = ("eval/bar_chords.py", "eval/sung.py", "data/render.py", "data/voicing.py")
_OF_SPOILING = ("eval/robustness.py", "eval/codecs.py", "data/augment.py")


def our_systems(
    accompanist: Accompanist, modes: Sequence[Mode], options: GenerationOptions
) -> list[System]:
    """Let a bundle accompany under each condition.

    Args:
        accompanist: The model.
        modes: `given` hands the score's chords and beats over, `vocal` the voice alone, `auto` lets
            the bundle plan them from the voice.
        options: Seed, steps and guidance.
    """
    return [_ours(accompanist, mode, options) for mode in modes]


def possible_modes(*, has_score: bool) -> tuple[Mode, ...]:
    """Return the conditions that a set allows."""
    given: tuple[Mode, ...] = ("given",) if has_score else ()
    return (*given, "vocal", "auto")


def codec_system(codec: OnnxCodec | OnnxWaveformCodec, bundle_hash: str) -> System:
    """Return true bands after a round trip through the codec."""

    def make(item: EvalItem) -> Rendition:
        read = item.read_accompaniment
        if read is None:
            raise ValueError(f"{item.name} has no true band to send through the codec")
        given = Audio(read(), item.sample_rate).resampled(codec.sample_rate)
        restored = Audio(codec.roundtrip(given.samples), codec.sample_rate)
        back = restored.resampled(item.sample_rate)
        return Rendition(samples=back.samples, sample_rate=item.sample_rate)

    identity = name_of("codec", bundle_hash, generation_digest())
    return System(row="codec", make=make, identity=identity)


def baseline_system() -> System:
    """Return bands made by rule; see `baseline`."""

    def make(item: EvalItem) -> Rendition:
        start = time.perf_counter()
        samples = accompany_by_rule(item.read_vocals(), item.sample_rate)
        seconds = time.perf_counter() - start
        return Rendition(samples=samples, sample_rate=STEM_RATE, made_in_seconds=seconds)

    identity = name_of("baseline", generation_digest(), _sources(_OF_BASELINE))
    return System(row="baseline", make=make, identity=identity)


def robust_systems(
    accompanist: Accompanist, mode: Mode, options: GenerationOptions
) -> list[System]:
    """Let a bundle accompany the same voices clean and spoilt in every way."""

    def make(item: EvalItem, voice: Audio) -> Rendition:
        return accompanied(accompanist, voice, _asked(item, mode, options))

    return [
        System(
            row=name,
            make=spoilt(make, name),
            identity=name_of(_identity(accompanist, mode, options), name, _sources(_OF_SPOILING)),
        )
        for name in conditions()
    ]


def accompanied(accompanist: Accompanist, voice: Audio, options: GenerationOptions) -> Rendition:
    """Accompany a voice, and time it."""
    start = time.perf_counter()
    audio = accompanist.accompany(voice, options).audio
    seconds = time.perf_counter() - start
    return Rendition(
        samples=audio.samples,
        sample_rate=audio.sample_rate,
        seam_seconds=seam_seconds(accompanist, audio.duration_seconds),
        made_in_seconds=seconds,
    )


def seam_seconds(accompanist: Accompanist, duration_seconds: float) -> tuple[float, ...]:
    """Return where a window takes over from the one before."""
    codec, sampler = accompanist.codec, accompanist.sampler
    frame_rate = codec.sample_rate / codec.hop_length
    num_frames = max(1, -int(-duration_seconds * frame_rate // 1))
    windows = plan_windows(
        num_frames, sampler.window_frames, sampler.overlap_frames, sampler.dropped_frames
    )
    return tuple((window.start + window.num_known) / frame_rate for window in windows[1:])


def _ours(accompanist: Accompanist, mode: Mode, options: GenerationOptions) -> System:
    def make(item: EvalItem) -> Rendition:
        voice = Audio(item.read_vocals(), item.sample_rate)
        return accompanied(accompanist, voice, _asked(item, mode, options))

    return System(
        row=f"ours_{mode}",
        make=make,
        identity=_identity(accompanist, mode, options),
        swapped=True,
    )


def _sources(names: Sequence[str]) -> list[str]:
    folder = Path(banso.__file__).parent
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _asked(item: EvalItem, mode: Mode, options: GenerationOptions) -> GenerationOptions:
    return replace(
        options,
        lead_sheet=item.sheet if mode == "given" else None,
        plan="auto" if mode == "auto" else "none",
    )


def _identity(accompanist: Accompanist, mode: Mode, options: GenerationOptions) -> str:
    asked = {name: repr(value) for name, value in asdict(options).items()}
    return name_of("ours", mode, accompanist.bundle.hash, asked, generation_digest())
