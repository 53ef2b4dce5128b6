"""A page to look at and listen to: a random sample of a data set's pairs, and whether they hold.

The page is one HTML file and a folder of MP3 files beside it; it asks no other machine for
anything. Beside each pair stand two numbers that say whether rendering and score belong together:
chord accuracy and beat F1 of the true accompaniment.
"""

import base64
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banso.audio import Audio
from banso.cores import usable_cores
from banso.data.manifest import Item, Manifest, load_manifest
from banso.errors import DataError
from banso.eval.hearing import compile_loops, hear
from banso.eval.metrics import chord_scores, heard_beat_f1
from banso.features import PITCH, SAMPLE_RATE, extract
from banso.files import read_audio, write_audio
from banso.loudness import integrated_lufs
from banso.mixing import balance, mix
from banso.report import sketch

AUDIO_FOLDER = "audio"
PAGE_FILE = "index.html"
NUMBERS_FILE = "preview.json"
# What a rendering that belongs to its score reaches in the mean; below, one of both is wrong.
LEAST_CHORD_ACCURACY = 0.85
LEAST_BEAT_F1 = 0.9
_MP3_COMPRESSION = 0.6  # 160 kbit/s: 20 pairs of 96 s in 110 MB
_MAX_COLUMNS = 1_200


@dataclass(frozen=True, kw_only=True, slots=True)
class PairCheck:
    """Whether a pair's accompaniment does what its score says.

    Attributes:
        item_id: The pair.
        style: What the band plays.
        chord_accuracy: Share of the time whose triad is the score's; NaN without usable chords.
        beat_f1: F-measure of tracked beats, ±70 ms; NaN without beats in the score.
    """

    item_id: str
    style: str
    chord_accuracy: float
    beat_f1: float


@dataclass(frozen=True, slots=True)
class Card:
    """One pair as the page shows it.

    Attributes:
        check: Whether it holds.
        content: Everything else, as JSON can hold it; pictures are rows of bytes in base64.
    """

    check: PairCheck
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """A written page and its numbers.

    Attributes:
        page: The HTML file.
        checks: One per pair, in the page's order.
    """

    page: Path
    checks: tuple[PairCheck, ...]

    @property
    def chord_accuracy(self) -> float:
        """Mean over the pairs that have one."""
        return _mean(check.chord_accuracy for check in self.checks)

    @property
    def beat_f1(self) -> float:
        """Mean over the pairs that have one."""
        return _mean(check.beat_f1 for check in self.checks)

    @property
    def holds(self) -> bool:
        """Whether both means reach what true renderings must."""
        return self.chord_accuracy >= LEAST_CHORD_ACCURACY and self.beat_f1 >= LEAST_BEAT_F1

    def __str__(self) -> str:
        verdict = "as it should be" if self.holds else "TOO LOW: rendering or score is wrong"
        return (
            f"{self.page}: {len(self.checks)} pairs; true accompaniment against score: "
            f"chord accuracy {self.chord_accuracy:.3f} (at least {LEAST_CHORD_ACCURACY}), "
            f"beat F1 {self.beat_f1:.3f} (at least {LEAST_BEAT_F1}); {verdict}"
        )


def write_preview(
    root: Path,
    out: Path,
    *,
    num_items: int = 20,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Preview:
    """Write a page with pictures, players and checks of a random sample of pairs.

    Args:
        root: Data set with a `manifest.json`.
        out: Folder of the page; files of an earlier page in it are replaced.
        num_items: At most so many pairs.
        seed: Decides which.
        workers: Processes; None for one per core, 1 stays in this one.
        on_progress: Called with the fraction done.

    Returns:
        Where the page is, and its numbers; `preview.json` beside the page holds them too.

    Raises:
        DataError: If the data set is missing or has no items.
        AudioError: If a recording cannot be read or the page cannot be written.
    """
    manifest = load_manifest(root)
    items = sample_items(manifest.items, num_items, seed)
    if not items:
        raise DataError(f"{root} has no items to show; `banso prepare` makes some")
    (out / AUDIO_FOLDER).mkdir(parents=True, exist_ok=True)
    cards: list[Card] = []
    for card in _make_cards(manifest, items, out, workers or usable_cores()):
        cards.append(card)
        if on_progress is not None:
            on_progress(len(cards) / len(items))
    preview = Preview(out / PAGE_FILE, tuple(card.check for card in cards))
    numbers = {"seed": seed, **_numbers(preview)}
    checks = [_known(asdict(card.check)) for card in cards]
    pairs = [check | card.content for check, card in zip(checks, cards, strict=True)]
    preview.page.write_text(_page(numbers | {"pairs": pairs}), encoding="utf-8")
    text = json.dumps(numbers | {"pairs": checks}, indent=1)
    (out / NUMBERS_FILE).write_text(text + "\n", encoding="utf-8")
    return preview


def sample_items(items: Sequence[Item], num_items: int, seed: int) -> list[Item]:
    """Draw items without looking at them, in the order of their names."""
    picks = np.random.default_rng(seed).permutation(len(items))[:num_items]
    return [items[k] for k in sorted(picks)]


def make_card(manifest: Manifest, out: Path, item: Item) -> Card:
    """Measure and draw one pair and write its three recordings: voice, band, both.

    Args:
        manifest: Where the pair lies.
        out: Folder of the page.
        item: The pair.

    Returns:
        Numbers and pictures of the pair.
    """
    voice = read_audio(manifest.path(item, "vocals.flac")).resampled(SAMPLE_RATE)
    band = read_audio(manifest.path(item, "accompaniment.flac")).resampled(SAMPLE_RATE)
    heard = hear(band.samples, band.sample_rate)
    sheet = item.lead_sheet
    check = PairCheck(
        item_id=item.item_id,
        style=item.style,
        chord_accuracy=chord_scores(heard, sheet.chords).accuracy,
        beat_f1=heard_beat_f1(np.array(sheet.beats), heard),
    )
    content = {
        "facts": _facts(item),
        "seconds": band.duration_seconds,
        "beats": sheet.beats,
        "downbeats": sheet.downbeats,
        "chords": [(c.start_seconds, c.end_seconds, c.label) for c in sheet.chords],
        "audio": _write_recordings(out, item.item_id, voice, band),
        "voice": _outline(voice),
        "band": _outline(band),
        "chroma": _picture(heard.chroma),
        "pitch": _picture(extract(voice.to_mono().samples[0])[:, PITCH]),
    }
    return Card(check, content)


def _make_cards(
    manifest: Manifest, items: Sequence[Item], out: Path, workers: int
) -> Iterator[Card]:
    make = partial(make_card, manifest, out)
    if workers == 1:
        yield from map(make, items)
        return
    compile_loops()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        yield from pool.map(make, items)


def _facts(item: Item) -> dict[str, str]:
    """Return what the page tells about a pair, by its heading."""
    beats = np.diff(item.lead_sheet.beats)
    tempo = f"{60 / float(np.median(beats)):.0f} BPM" if len(beats) else "unknown"
    return {
        "style": item.style,
        "key": item.lead_sheet.key or "unknown",
        "tempo": tempo,
        "song": f"{item.song_id}, from {item.start_seconds:.1f} s",
        "split": item.split,
        "changed": f"{item.transposition:+d} semitones, tempo × {item.tempo_factor:.2f}",
        "soundfont": item.soundfont,
        "licence": item.licence,
        "attribution": item.attribution,
    }


def _write_recordings(out: Path, name: str, voice: Audio, band: Audio) -> dict[str, str]:
    """Write voice, band and both as MP3; return their addresses relative to the page."""
    voice_lufs = integrated_lufs(voice.to_stereo().samples, voice.sample_rate)
    band_lufs = integrated_lufs(band.samples, band.sample_rate)
    gains = balance(voice_lufs, band_lufs, float(np.abs(band.samples).max()))
    levelled = Audio(band.samples * np.float32(gains.in_mix), band.sample_rate)
    recordings = {"voice": voice, "band": band, "both": mix(voice, levelled)}
    paths = {part: f"{AUDIO_FOLDER}/{name}-{part}.mp3" for part in recordings}
    for part, recording in recordings.items():
        write_audio(out / paths[part], recording, overwrite=True, compression=_MP3_COMPRESSION)
    return paths


def _outline(audio: Audio) -> dict[str, str]:
    """Lowest and highest sample per column, one signed byte each, in base64."""
    drawn = sketch(audio.blocks(), audio.num_samples)
    rows = np.clip(np.stack([drawn.lowest, drawn.highest]) * 127, -127, 127).astype(np.int8)
    return {"lowest": _base64(rows[0]), "highest": _base64(rows[1])}


def _picture(grid: NDArray[np.float32]) -> dict[str, Any]:
    """Rows of a [frames, rows] picture as bytes 0 to 255, at most 1 200 frames wide."""
    merge = -(-len(grid) // _MAX_COLUMNS)
    padded = np.pad(grid, ((0, -len(grid) % merge), (0, 0)))
    merged = padded.reshape(-1, merge, grid.shape[1]).max(axis=1)
    # Frames are scaled one by one, but the faint ones stay faint.
    peak = merged.max(axis=1, keepdims=True)
    scaled = merged / np.maximum(peak, 0.1 * peak.max(initial=1e-9))
    values = np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    # Padding makes the picture a little longer than the recording.
    return {
        "rows": grid.shape[1],
        "columns": len(values),
        "share": len(padded) / max(len(grid), 1),
        "bytes": _base64(values.T),
    }


def _base64(values: NDArray[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def _numbers(preview: Preview) -> dict[str, Any]:
    return _known(
        {
            "chord_accuracy": preview.chord_accuracy,
            "least_chord_accuracy": LEAST_CHORD_ACCURACY,
            "beat_f1": preview.beat_f1,
            "least_beat_f1": LEAST_BEAT_F1,
        }
    )


def _page(content: dict[str, Any]) -> str:
    template = resources.files("banso.data").joinpath("pages", "preview.html")
    # A name that holds `</script>` must not end the script.
    data = json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return template.read_text(encoding="utf-8").replace("__PREVIEW__", data)


def _known(content: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN; a number that could not be measured becomes null."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in content.items()
    }


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
