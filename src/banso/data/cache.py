"""Prepared items to arrays that training reads: codec parameters, features, conditions.

One `.npz` for the whole band of an item, and one for a random choice of its parts beside the rest,
half precision, so that a thousand 96-second items fit into 2 GB of memory.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banso import conditioning as c
from banso import features
from banso.audio import Audio
from banso.codec.analysis import analyze
from banso.codec.envelope import SILENCE_DB, measure_envelope
from banso.codec.parameters import HOP_LENGTH, SAMPLE_RATE
from banso.data.manifest import Item
from banso.errors import DataError
from banso.files import read_audio

Array = NDArray[np.float16]

_PIECE_FRAMES = round(10 * SAMPLE_RATE / HOP_LENGTH)
_VOCALS_FOLDER = "vocals"  # of the cache, for the published network alone


@dataclass(frozen=True, slots=True)
class Example:
    """One song excerpt as training sees it.

    Attributes:
        item_id: Of the manifest.
        split: `train`, `validation` or `test`.
        parameters: [frames, NUM_PARAMETERS] of what is to be played.
        conditions: [frames, KNOWN.start]: voice, plan and style.
        parts: Which parts of `PART_NAMES` are to be played.
        others: [frames, NUM_PARAMETERS] of the parts that are there already; None for none.
        vocals: [frames, NUM_PARAMETERS] of the voice, which the published network alone hears.
        envelope: [frames, NUM_ENVELOPE] of what is to be played, in dB above silence, which the
            codec alone learns; None if it was not measured.
    """

    item_id: str
    split: str
    parameters: Array
    conditions: Array
    parts: tuple[str, ...] = c.PART_NAMES
    others: Array | None = None
    vocals: Array | None = None
    envelope: Array | None = None


def build_cache(items: Path, out: Path, styles: tuple[str, ...], workers: int = 2) -> int:
    """Encode every finished item that is not encoded yet.

    Args:
        items: Folder of prepared items, one folder each.
        out: Where the arrays go.
        styles: Style names in the model's order; they are written beside the arrays.
        workers: Processes.

    Returns:
        How many items were encoded now.

    Raises:
        DataError: If there is no item at all.
    """
    folders = sorted(path.parent for path in items.glob("*/item.json"))
    if not folders:
        raise DataError(f"no prepared items in {items}; run banso prepare first")
    out.mkdir(parents=True, exist_ok=True)
    (out / "styles.json").write_text(json.dumps(styles), encoding="utf-8")
    todo = [folder for folder in folders if not (out / f"{folder.name}.npz").exists()]
    with ProcessPoolExecutor(workers) as pool:
        return sum(pool.map(encode_item, todo, [out] * len(todo), [styles] * len(todo)))


def encode_item(folder: Path, out: Path, styles: tuple[str, ...]) -> bool:
    """Encode one item folder into `out`; pure but for the files it writes."""
    item = Item.from_json(json.loads((folder / "item.json").read_text(encoding="utf-8")))
    band = _at_codec_rate(read_audio(folder / "accompaniment.flac"))
    voice = _at_codec_rate(read_audio(folder / "vocals.flac"))
    num_frames = band.shape[1] // HOP_LENGTH
    parameters = analyze(band[:, : num_frames * HOP_LENGTH]).to_array()
    heard = features.extract(voice.mean(axis=0), num_frames)
    rows = c.assemble(
        heard,
        SAMPLE_RATE / HOP_LENGTH,
        lead_sheet=item.lead_sheet,
        style=item.style if item.style in styles else None,
        styles=styles,
    )
    conditions = rows[:, : c.KNOWN.start]
    chosen = _choose_parts(folder, item.item_id)
    if chosen:
        target, others = (
            _sum_of_parts(folder, names, num_frames)
            for names in (chosen, [n for n in _parts_of(folder) if n not in chosen])
        )
        path = out / f"{folder.name}-parts.npz"
        save_example(path, target, conditions, item.split, parts=chosen, others=others)
    # Last, because its presence says that the item is encoded.
    save_example(out / f"{folder.name}.npz", parameters, conditions, item.split)
    return True


def cache_vocals(items: Path, out: Path, workers: int = 2) -> int:
    """Encode the voices of finished items by the codec's analysis, those not encoded yet.

    Only the published network hears voices this way; ours hears features.

    Args:
        items: Folder of prepared items, one folder each.
        out: Folder of `build_cache`; the voices go into a folder of it.
        workers: Processes.

    Returns:
        How many voices were encoded now.
    """
    (out / _VOCALS_FOLDER).mkdir(parents=True, exist_ok=True)
    folders = sorted(path.parent for path in items.glob("*/item.json"))
    todo = [folder for folder in folders if not vocals_path(out, folder.name).exists()]
    with ProcessPoolExecutor(workers) as pool:
        return sum(pool.map(_encode_vocals, todo, [out] * len(todo)))


def load_vocals(folder: Path, item_id: str) -> Array | None:
    """Return a voice as `cache_vocals` encoded it [frames, NUM_PARAMETERS]; None if it did not."""
    path = vocals_path(folder, item_id)
    return np.asarray(np.load(path, allow_pickle=False)) if path.exists() else None


def _encode_vocals(folder: Path, out: Path) -> bool:
    voice = _at_codec_rate(read_audio(folder / "vocals.flac").to_stereo())
    whole = voice.shape[1] // HOP_LENGTH * HOP_LENGTH
    save_vocals(out, folder.name, analyze(voice[:, :whole]).to_array())
    return True


def save_vocals(folder: Path, item_id: str, parameters: NDArray[np.float32]) -> None:
    """Write a voice [frames, NUM_PARAMETERS] where `load_vocals` finds it, in half precision."""
    target = vocals_path(folder, item_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".tmp")
    with partial.open("wb") as file:
        np.save(file, parameters.astype(np.float16), allow_pickle=False)
    partial.replace(target)


def vocals_path(out: Path, item_id: str) -> Path:
    """Where a cache keeps a voice."""
    return out / _VOCALS_FOLDER / f"{item_id}.npy"


def _parts_of(folder: Path) -> list[str]:
    return [name for name in c.PART_NAMES if (folder / "parts" / f"{name}.flac").exists()]


def _choose_parts(folder: Path, item_id: str) -> tuple[str, ...]:
    """Draw some of an item's parts, never all; none if it has fewer than two."""
    names = _parts_of(folder)
    if len(names) < 2:
        return ()
    rng = _drawing(item_id)
    count = int(rng.integers(1, len(names)))
    drawn = rng.permutation(len(names))[:count]
    return tuple(name for i, name in enumerate(names) if i in drawn)


def _drawing(item_id: str) -> np.random.Generator:
    """Chance of an item's own, the same on every machine."""
    digest = hashlib.md5(item_id.encode(), usedforsecurity=False).hexdigest()
    return np.random.default_rng(int(digest[:8], 16))


def _sum_of_parts(folder: Path, names: Sequence[str], num_frames: int) -> NDArray[np.float32]:
    """Codec parameters [frames, NUM_PARAMETERS] of some parts played together."""
    sounds = [_at_codec_rate(read_audio(folder / "parts" / f"{name}.flac")) for name in names]
    total: NDArray[np.float32] = np.asarray(np.sum(sounds, axis=0, dtype=np.float32))
    return analyze(total[:, : num_frames * HOP_LENGTH]).to_array()


def cache_recording(samples: NDArray[np.float32], name: str, out: Path, split: str) -> None:
    """Encode a recording that has no plan and no voice, for training the codec on it.

    It is written in pieces of about ten seconds: training draws from all files alike, and three
    recorded songs beside a hundred rendered ones would hardly be heard.

    Args:
        samples: [2, samples] at 44.1 kHz.
        name: Of the files to write, with a number after it.
        out: Folder of arrays.
        split: `train`, `validation` or `test`.
    """
    parameters, envelope = analyze(samples).to_array(), heard_envelope(samples)
    out.mkdir(parents=True, exist_ok=True)
    for index, start in enumerate(range(0, len(parameters), _PIECE_FRAMES)):
        piece = slice(start, start + _PIECE_FRAMES)
        save_sound(out / f"{name}-{index:03d}.npz", parameters[piece], envelope[piece], split)


def cache_stretches(items: Path, out: Path, num_frames: int = 690, workers: int = 2) -> int:
    """Encode a stretch of every finished item's band with its envelope, for training the codec.

    Where it begins is drawn by the item's name.

    Args:
        items: Folder of prepared items, one folder each.
        out: Folder of arrays; not that of a denoiser, as there are no voices here.
        num_frames: Length of the stretches, 32 s.
        workers: Processes.

    Returns:
        How many stretches were encoded now.
    """
    out.mkdir(parents=True, exist_ok=True)
    folders = sorted(path.parent for path in items.glob("*/item.json"))
    todo = [folder for folder in folders if not _stretch_path(out, folder).exists()]
    with ProcessPoolExecutor(workers) as pool:
        return sum(pool.map(_encode_stretch, todo, [out] * len(todo), [num_frames] * len(todo)))


def _encode_stretch(folder: Path, out: Path, num_frames: int) -> bool:
    item = Item.from_json(json.loads((folder / "item.json").read_text(encoding="utf-8")))
    band = _at_codec_rate(read_audio(folder / "accompaniment.flac"))
    room = max(0, band.shape[1] // HOP_LENGTH - num_frames)
    start = int(_drawing(item.item_id).integers(room + 1)) * HOP_LENGTH
    samples = band[:, start : start + num_frames * HOP_LENGTH]
    samples = samples[:, : samples.shape[1] // HOP_LENGTH * HOP_LENGTH]
    parameters = analyze(samples).to_array()
    save_sound(_stretch_path(out, folder), parameters, heard_envelope(samples), item.split)
    return True


def _stretch_path(out: Path, folder: Path) -> Path:
    return out / f"{folder.name}-heard.npz"


def heard_envelope(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Packed envelope [frames, NUM_ENVELOPE] of a recording [2, samples], in dB above silence."""
    return measure_envelope(samples).to_array() - np.float32(SILENCE_DB)


def save_sound(
    target: Path, parameters: NDArray[np.float32], envelope: NDArray[np.float32], split: str
) -> None:
    """Write an `Example` that the codec alone can learn from: there is no voice and no plan."""
    nothing = np.zeros((len(parameters), c.KNOWN.start), dtype=np.float32)
    save_example(target, parameters, nothing, split, envelope=envelope)


def save_example(
    target: Path,
    parameters: NDArray[np.float32],
    conditions: NDArray[np.float32],
    split: str,
    *,
    parts: Sequence[str] = c.PART_NAMES,
    others: NDArray[np.float32] | None = None,
    envelope: NDArray[np.float32] | None = None,
) -> None:
    """Write one `Example` in half precision; the file appears complete or not at all."""
    partial = target.with_suffix(".tmp")
    given = {"others": others, "envelope": envelope}
    arrays: dict[str, Any] = {n: a.astype(np.float16) for n, a in given.items() if a is not None}
    with partial.open("wb") as file:
        np.savez(
            file,
            parameters=parameters.astype(np.float16),
            conditions=conditions.astype(np.float16),
            split=np.array(split),
            parts=np.array(parts),
            **arrays,
        )
    partial.replace(target)


def load_cache(folder: Path, split: str | None = None) -> Iterator[Example]:
    """Yield the examples of a split (or all), in the order of their names.

    Raises:
        DataError: If the folder holds none at all.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise DataError(f"no encoded items in {folder}; run banso prepare with --cache first")
    for path in paths:
        example = load_example(path)
        if split in (None, example.split):
            yield example


def load_example(path: Path) -> Example:
    """Read one file of a cache."""
    with np.load(path, allow_pickle=False) as arrays:
        return Example(
            path.stem,
            str(arrays["split"]),
            arrays["parameters"],
            arrays["conditions"],
            tuple(arrays["parts"].tolist()) if "parts" in arrays else c.PART_NAMES,
            arrays.get("others"),
            envelope=arrays.get("envelope"),
        )


def load_styles(folder: Path) -> tuple[str, ...]:
    """Style names in the model's order, as `build_cache` wrote them."""
    return tuple(json.loads((folder / "styles.json").read_text(encoding="utf-8")))


def _at_codec_rate(audio: Audio) -> NDArray[np.float32]:
    if audio.sample_rate != SAMPLE_RATE:
        raise DataError(f"prepared audio must be at {SAMPLE_RATE} Hz, not {audio.sample_rate}")
    return audio.samples
