"""Build a listening test: a static page of blind, equally loud excerpts, and the key to them.

The page and its clips go to the listeners; nothing in them (names, order, level, metadata) tells
which system made a clip. The key stays with the analyst. Every song is heard with all systems side
by side, the true band as hidden reference and another song's band as anchor among them, and every
two systems are compared directly on at least one song.

References:
    ITU-R BS.1534-3 (2015), "Method for the subjective assessment of intermediate quality level of
    audio systems" (hidden reference, anchor, excerpts of about 10 s, listeners screened).
    ITU-T P.800 (1996), "Methods for subjective determination of transmission quality" (5 points).
    EBU R 128 (2020), "Loudness normalisation" (-23 LUFS).
"""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from banso.audio import Audio, Samples
from banso.data.manifest import sha256_of
from banso.errors import ConfigError, DataError
from banso.files import write_audio
from banso.loudness import integrated_lufs
from banso.mixing import ACCOMPANIMENT_BELOW_VOCALS_LU, safe_gain

FORMAT_VERSION = 1
REFERENCE = "true"
ANCHOR = "shuffled"
PAGE_FOLDER = "page"
CLIPS_FOLDER = "clips"
KEY_FILE = "key.json"
CLIP_RATE = 44_100
CLIP_LUFS = -23.0
_PAGE_FILES = ("index.html", "page.css", "page.js", "texts.js")
_FADE_SECONDS = 0.03
# A step in the search for the part of a song with most singing.
_STEP_SECONDS = 0.5
_SUNG_DB = -30.0

Band = Callable[[], Audio]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListeningItem:
    """One song of the test.

    Attributes:
        name: For the key.
        read_vocals: Returns the voice.
        bands: By system, what returns its accompaniment on the voice's time line.
        downbeats: Where an excerpt may begin, in seconds; empty for anywhere.
    """

    name: str
    read_vocals: Callable[[], Audio]
    bands: Mapping[str, Band]
    downbeats: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ListeningOptions:
    """How a test is built.

    Attributes:
        seed: Decides names, songs of the comparisons and the order on the page's list.
        excerpt_seconds: Length of a clip; 1 to 60.
        least_heard_seconds: How much of a clip a listener must have heard to answer.
        songs_per_comparison: On how many songs each two systems are compared directly.
    """

    seed: int = 0
    excerpt_seconds: float = 12.0
    least_heard_seconds: float = 3.0
    songs_per_comparison: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.excerpt_seconds <= 60:
            raise ConfigError(f"excerpts of {self.excerpt_seconds} s; choose 1 to 60 seconds")
        if not 0 <= self.least_heard_seconds <= self.excerpt_seconds:
            raise ConfigError(
                f"{self.least_heard_seconds} s to hear of excerpts of {self.excerpt_seconds} s; "
                "choose between 0 and the excerpt's length"
            )
        if self.songs_per_comparison < 1:
            raise ConfigError("every two systems must be compared on at least 1 song")


@dataclass(frozen=True, slots=True)
class ListeningTest:
    """A test that was built.

    Attributes:
        page: What to give to listeners, with everything in its folder.
        key: What to keep.
        num_clips: How many clips it has.
        num_pages: How many pages a listener answers.
    """

    page: Path
    key: Path
    num_clips: int
    num_pages: int

    def __str__(self) -> str:
        return (
            f"{self.page}: {self.num_pages} pages, {self.num_clips} clips; hand out the folder "
            f"{self.page.parent}, and keep {self.key} from the listeners"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clip:
    name: str
    item: str
    system: str


def build_listening_test(
    items: Sequence[ListeningItem],
    out: Path,
    options: ListeningOptions,
    on_progress: Callable[[float], None] | None = None,
) -> ListeningTest:
    """Write the page, its clips and the key.

    Args:
        items: At least 1 song, all with the same systems, `true` and `shuffled` among them.
        out: Gets the folder `page` and the file `key.json`; neither may exist.
        options: How.
        on_progress: Called with the fraction done.

    Returns:
        Where everything is.

    Raises:
        ConfigError: If the songs do not have the same systems, or one lacks reference or anchor.
        DataError: If a song has no voice in it, or `out` holds a test already.
    """
    systems = _check_systems(items)
    page, key = out / PAGE_FOLDER, out / KEY_FILE
    if page.exists() or key.exists():
        raise DataError(f"{out} holds a listening test already; give another folder")
    rng = np.random.default_rng(options.seed)
    clips = _name_clips(items, systems, rng)
    # Becomes the page when it is complete; what a stopped run left is made again.
    part = out / f"{PAGE_FOLDER}.part"
    shutil.rmtree(part, ignore_errors=True)
    (part / CLIPS_FOLDER).mkdir(parents=True)
    for number, item in enumerate(items):
        _write_clips(part / CLIPS_FOLDER, item, clips, options, with_voice=number == 0)
        if on_progress is not None:
            on_progress((number + 1) / len(items))
    trials = _rating_trials(items, clips, rng) + _pair_trials(items, systems, clips, options, rng)
    sums = {c.name: sha256_of(part / CLIPS_FOLDER / f"{c.name}.flac") for c in clips}
    content = {
        "format_version": FORMAT_VERSION,
        "seed": options.seed,
        "systems": list(systems),
        "clips": {
            c.name: {"item": c.item, "system": c.system, "sha256": sums[c.name]} for c in clips
        },
        "trials": {trial["id"]: trial["clips"] for trial in trials},
    }
    test_id = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    _write_page(part, test_id, trials, options)
    text = json.dumps({"test_id": test_id, **content}, indent=1)
    key.write_text(text + "\n", encoding="utf-8")
    part.rename(page)
    return ListeningTest(page / "index.html", key, len(clips), len(trials))


def cut_clips(item: ListeningItem, options: ListeningOptions) -> dict[str, Samples]:
    """Cut the same excerpt of a song with every system's band, all equally loud.

    Args:
        item: The song.
        options: How long.

    Returns:
        By system, voice and band together [2, samples] at 44.1 kHz and -23 LUFS, and under the
        empty name the voice alone. If a peak would go beyond -1 dBFS, all are lower alike.

    Raises:
        DataError: If nobody sings in the excerpt.
    """
    voice = item.read_vocals().resampled(CLIP_RATE).to_stereo().samples
    start = choose_start(voice, options.excerpt_seconds, item.downbeats)
    size = round(options.excerpt_seconds * CLIP_RATE)
    sung = _cut(voice, start, size)
    voice_lufs = integrated_lufs(sung, CLIP_RATE)
    if not np.isfinite(voice_lufs):
        raise DataError(f"nobody sings in {item.name}; choose another song")
    sounds = {"": sung}
    for system, read in item.bands.items():
        whole = read().resampled(CLIP_RATE).to_stereo().samples
        # The anchor is another song's band and may be shorter.
        latest = max(0, whole.shape[1] - size)
        band = _cut(whole, min(start, latest) if system == ANCHOR else start, size)
        lufs = integrated_lufs(band, CLIP_RATE)
        gain = voice_lufs - ACCOMPANIMENT_BELOW_VOCALS_LU - lufs if np.isfinite(lufs) else 0.0
        sounds[system] = sung + np.float32(10 ** (gain / 20)) * band
    return _equally_loud(sounds)


def choose_start(voice: Samples, seconds: float, downbeats: Sequence[float] = ()) -> int:
    """Find the part of a song with most singing.

    Args:
        voice: The whole voice [channels, samples] at 44.1 kHz.
        seconds: Length of the part.
        downbeats: Where it may begin, in seconds; empty for anywhere.

    Returns:
        Its first sample; the earliest of equally good ones.
    """
    step = round(_STEP_SECONDS * CLIP_RATE)
    num_steps = max(1, voice.shape[1] // step)
    whole = voice[:, : num_steps * step].astype(np.float64)
    power = np.square(whole).mean(axis=0).reshape(num_steps, -1).mean(axis=1)
    sung = power > power.max(initial=0.0) * 10 ** (_SUNG_DB / 10)
    until = np.concatenate([[0], np.cumsum(sung)])
    last = max(0.0, voice.shape[1] / CLIP_RATE - seconds)
    starts = [beat for beat in downbeats if beat <= last]
    if not starts:
        starts = np.arange(0.0, last + 1e-9, _STEP_SECONDS).tolist()
    edges = [np.interp([s, s + seconds], np.arange(len(until)) * _STEP_SECONDS, until)
             for s in starts]  # fmt: skip
    return round(starts[int(np.argmax([end - begin for begin, end in edges]))] * CLIP_RATE)


def write_clip(path: Path, samples: Samples) -> None:
    """Write a clip [2, samples] as FLAC; 16-bit values, which take a third less room."""
    steps = np.round(samples * 32767) / np.float32(32768)
    write_audio(path, Audio(steps.astype(np.float32), CLIP_RATE))


def _write_clips(
    folder: Path,
    item: ListeningItem,
    clips: Sequence[_Clip],
    options: ListeningOptions,
    *,
    with_voice: bool,
) -> None:
    """Write a song's clips in the order of their random names, and perhaps the voice alone."""
    sounds = cut_clips(item, options)
    if with_voice:
        write_clip(folder / "voice.flac", sounds[""])
    for clip in sorted((c for c in clips if c.item == item.name), key=lambda c: c.name):
        write_clip(folder / f"{clip.name}.flac", sounds[clip.system])


def _check_systems(items: Sequence[ListeningItem]) -> tuple[str, ...]:
    if not items:
        raise ConfigError("a listening test needs at least 1 song")
    systems = tuple(items[0].bands)
    for item in items:
        if set(item.bands) != set(systems):
            raise ConfigError(
                f"{item.name} has the systems {sorted(item.bands)}, {items[0].name} has "
                f"{sorted(systems)}; all songs need the same"
            )
    if not {REFERENCE, ANCHOR} < set(systems):
        raise ConfigError(
            f"a listening test compares systems with '{REFERENCE}' and '{ANCHOR}'; "
            f"it has {', '.join(systems)}"
        )
    return systems


def _name_clips(
    items: Sequence[ListeningItem], systems: Sequence[str], rng: np.random.Generator
) -> list[_Clip]:
    return [
        _Clip(name=rng.bytes(6).hex(), item=item.name, system=system)
        for item in items
        for system in systems
    ]


def _rating_trials(
    items: Sequence[ListeningItem], clips: Sequence[_Clip], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """All clips of a song on one page, sorted by their random names."""
    return [
        {
            "id": rng.bytes(4).hex(),
            "kind": "rating",
            "clips": sorted(clip.name for clip in clips if clip.item == item.name),
        }
        for item in items
    ]


def _pair_trials(
    items: Sequence[ListeningItem],
    systems: Sequence[str],
    clips: Sequence[_Clip],
    options: ListeningOptions,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Every two systems on some songs, the songs dealt out evenly."""
    names = {(clip.item, clip.system): clip.name for clip in clips}
    contests = list(itertools.combinations(systems, 2))
    songs_each = min(options.songs_per_comparison, len(items))
    order = [items[k].name for k in rng.permutation(len(items))]
    trials = []
    for place, number in enumerate(rng.permutation(len(contests))):
        for song in range(songs_each):
            item = order[(place * songs_each + song) % len(order)]
            pair = sorted(names[item, system] for system in contests[number])
            trials.append({"id": rng.bytes(4).hex(), "kind": "pair", "clips": pair})
    return trials


def _write_page(
    page: Path, test_id: str, trials: Sequence[Mapping[str, Any]], options: ListeningOptions
) -> None:
    content = {
        "format_version": FORMAT_VERSION,
        "test_id": test_id,
        "least_heard_seconds": options.least_heard_seconds,
        "excerpt_seconds": options.excerpt_seconds,
        # By identifier, so that the list tells nothing about how it was made.
        "trials": sorted(trials, key=lambda trial: str(trial["id"])),
    }
    folder = resources.files("banso.eval").joinpath("listening_page")
    for name in _PAGE_FILES:
        with resources.as_file(folder.joinpath(name)) as source:
            shutil.copyfile(source, page / name)
    # A script, because a page opened from a disk may not read JSON beside it.
    text = f"window.LISTENING_TEST = {json.dumps(content, indent=1)};\n"
    (page / "test.js").write_text(text, encoding="utf-8")


def _cut(samples: Samples, start: int, size: int) -> Samples:
    """Return [2, size] with short fades, padded with silence."""
    piece = samples[:, start : start + size]
    piece = np.pad(piece, ((0, 0), (0, size - piece.shape[1])))
    ramp = np.minimum(1, np.arange(size) / (_FADE_SECONDS * CLIP_RATE)).astype(np.float32)
    return piece * ramp * ramp[::-1]


def _equally_loud(sounds: Mapping[str, Samples]) -> dict[str, Samples]:
    gains = {
        name: 10 ** ((CLIP_LUFS - integrated_lufs(sound, CLIP_RATE)) / 20)
        for name, sound in sounds.items()
    }
    peaks = [gains[name] * float(np.abs(sound).max()) for name, sound in sounds.items()]
    lower = min(1.0, *(safe_gain(peak) for peak in peaks))
    return {name: sound * np.float32(gains[name] * lower) for name, sound in sounds.items()}
