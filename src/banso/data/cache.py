"""Prepared items to arrays that training reads: codec parameters, features, conditions.

One `.npz` an item, half precision, so that a thousand 96-second items fit into 2 GB of memory.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso import conditioning as c
from banso import features
from banso.audio import Audio
from banso.codec.analysis import analyze
from banso.codec.parameters import HOP_LENGTH, SAMPLE_RATE
from banso.data.manifest import Item
from banso.errors import DataError
from banso.files import read_audio

Array = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Example:
    """One song excerpt as training sees it.

    Attributes:
        item_id: Of the manifest.
        split: `train`, `validation` or `test`.
        parameters: [frames, NUM_PARAMETERS] of the accompaniment.
        conditions: [frames, KNOWN.start]: everything but known latents.
    """

    item_id: str
    split: str
    parameters: Array
    conditions: Array


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
    """Encode one item folder into `out`; pure but for the file it writes."""
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
    save_example(out / f"{folder.name}.npz", parameters, rows[:, : c.KNOWN.start], item.split)
    return True


def cache_recording(samples: NDArray[np.float32], name: str, out: Path, split: str) -> None:
    """Encode a recording that has no plan and no voice, for training the codec on it.

    Args:
        samples: [2, samples] at 44.1 kHz.
        name: Of the file to write.
        out: Folder of arrays.
        split: `train`, `validation` or `test`.
    """
    parameters = analyze(samples).to_array()
    out.mkdir(parents=True, exist_ok=True)
    nothing = np.zeros((len(parameters), c.KNOWN.start), dtype=np.float32)
    save_example(out / f"{name}.npz", parameters, nothing, split)


def save_example(
    target: Path, parameters: NDArray[np.float32], conditions: NDArray[np.float32], split: str
) -> None:
    """Write one `Example` in half precision; the file appears complete or not at all."""
    partial = target.with_suffix(".tmp")
    with partial.open("wb") as file:
        np.savez(
            file,
            parameters=parameters.astype(np.float16),
            conditions=conditions.astype(np.float16),
            split=np.array(split),
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
        with np.load(path, allow_pickle=False) as arrays:
            if split in (None, str(arrays["split"])):
                yield Example(
                    path.stem, str(arrays["split"]), arrays["parameters"], arrays["conditions"]
                )


def load_styles(folder: Path) -> tuple[str, ...]:
    """Style names in the model's order, as `build_cache` wrote them."""
    return tuple(json.loads((folder / "styles.json").read_text(encoding="utf-8")))


def _at_codec_rate(audio: Audio) -> NDArray[np.float32]:
    if audio.sample_rate != SAMPLE_RATE:
        raise DataError(f"prepared audio must be at {SAMPLE_RATE} Hz, not {audio.sample_rate}")
    return audio.samples
