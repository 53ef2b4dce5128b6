"""Cached arrays in a tenth of their size, to carry them to another machine and back.

A crop of training needs no more of a number than can be heard: numbers are rounded to 7 bits, in
steps far below the codec's own error, tones that nobody hears are silent, and what is left is
packed by LZMA, one file an item, in folders of a given size. Not meant for evaluation.
"""

import io
import lzma
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.codec import parameters as p
from banso.codec.envelope import loudest_level
from banso.data.cache import load_example, save_example, save_vocals, vocals_path
from banso.errors import DataError

SUFFIX, VOCALS_SUFFIX = ".xz", ".vocals.xz"

# Steps of levels (a hundredth is a tenth of a loudness step that can be heard), of cents and pan
# in parts of 1, and of conditions, whose largest number is below 2.
_STEPS = np.repeat(
    np.array([0.01, 1 / 32, 0.0125, 1 / 16, 1 / 64], dtype=np.float32), np.array(p.SIZES)
)
_CONDITION_STEP = 1 / 63
_LEVEL_STEP_DB = 1.5
_AUDIBLE_DB = 72.0  # below the loudest place; what is softer is never compared
_SILENT = 0.03  # level: -102 dB
_TONES = slice(0, p.TONES_PER_FRAME * p.NUM_TONES)
_CENTS = slice(_TONES.stop, _TONES.stop + p.NUM_TONES)

Small = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed.

    Attributes:
        num_items: How many files.
        num_bytes: Size of each folder.
    """

    num_items: int
    num_bytes: tuple[int, ...]


def pack_cache(
    cache: Path, out: Path, *, most_bytes: int, leave_out: Sequence[str] = (), workers: int = 2
) -> Packed:
    """Pack the items of a cache, those of the test split left out, into folders `00`, `01`, ...

    Whole bands come first, then single parts of bands, then voices: whoever carries the folders one
    by one can train a codec with the first, and a denoiser without the last.

    Args:
        cache: Of `banso prepare cache`.
        out: New folder.
        most_bytes: Size of each folder.
        leave_out: Items that are left out.
        workers: Processes.

    Raises:
        DataError: If the folder is not new or there is nothing to pack.
    """
    if out.exists():
        raise DataError(f"{out} is there already; name a new folder")
    paths = [path for path in sorted(cache.glob("*.npz")) if path.stem not in leave_out]
    if not paths:
        raise DataError(f"no encoded items in {cache}; run banso prepare cache first")
    paths = [path for path in paths if _split_of(path) != "test"]
    paths.sort(key=lambda path: path.stem.endswith("-parts"))
    voices = [voice for path in paths if (voice := vocals_path(cache, path.stem)).exists()]
    sizes = [0]
    num_items = 0
    with ProcessPoolExecutor(workers) as pool:
        packed = zip([*paths, *voices], pool.map(_pack, [*paths, *voices]), strict=True)
        for path, content in packed:
            if sizes[-1] + len(content) > most_bytes and sizes[-1]:
                sizes.append(0)
            folder = out / f"{len(sizes) - 1:02d}"
            folder.mkdir(parents=True, exist_ok=True)
            suffix = SUFFIX if path.suffix == ".npz" else VOCALS_SUFFIX
            (folder / f"{path.stem}{suffix}").write_bytes(content)
            sizes[-1] += len(content)
            num_items += suffix == SUFFIX
    return Packed(num_items, tuple(sizes))


def unpack_shards(folder: Path, cache: Path, workers: int = 2) -> int:
    """Make a cache of packed items below a folder; return how many are new.

    Raises:
        DataError: If a file is damaged.
    """
    cache.mkdir(parents=True, exist_ok=True)
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    todo = [path for path in paths if not _target(path, cache).exists()]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(unpack_item, todo, [cache] * len(todo), chunksize=4))
    return len(todo)


def pack_item(path: Path) -> bytes:
    """Pack one array file of a cache."""
    example = load_example(path)
    arrays = {
        "parameters": rounded_parameters(example.parameters),
        "conditions": _rounded(example.conditions.astype(np.float32) / _CONDITION_STEP),
        "others": None if example.others is None else rounded_parameters(example.others),
        "envelope": None if example.envelope is None else _rounded_levels(example.envelope),
    }
    # Number by number, not frame by frame: what stands beside each other is then alike.
    small = {n: np.ascontiguousarray(a.T) for n, a in arrays.items() if a is not None}
    return _compressed(split=np.array(example.split), parts=np.array(example.parts), **small)


def pack_vocals(path: Path) -> bytes:
    """Pack one voice of a cache."""
    vocals = rounded_parameters(np.load(path, allow_pickle=False))
    return _compressed(vocals=np.ascontiguousarray(vocals.T))


def unpack_item(path: Path, cache: Path) -> None:
    """Write one packed item or voice into a cache.

    Raises:
        DataError: If the file is damaged.
    """
    try:
        content = io.BytesIO(lzma.decompress(path.read_bytes()))
        with np.load(content, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (lzma.LZMAError, ValueError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if "vocals" in found:
        save_vocals(cache, path.name.removesuffix(VOCALS_SUFFIX), _restored(found["vocals"]))
        return
    save_example(
        _target(path, cache),
        _restored(found["parameters"]),
        found["conditions"].T * np.float32(_CONDITION_STEP),
        str(found["split"]),
        parts=tuple(found["parts"].tolist()),
        others=_restored(found["others"]) if "others" in found else None,
        envelope=found["envelope"].T * np.float32(_LEVEL_STEP_DB) if "envelope" in found else None,
    )


def _split_of(path: Path) -> str:
    with np.load(path, allow_pickle=False) as arrays:
        return str(arrays["split"])


def _pack(path: Path) -> bytes:
    return pack_item(path) if path.suffix == ".npz" else pack_vocals(path)


def _target(path: Path, cache: Path) -> Path:
    """Where in a cache a packed file belongs."""
    if path.name.endswith(VOCALS_SUFFIX):
        return vocals_path(cache, path.name.removesuffix(VOCALS_SUFFIX))
    return cache / f"{path.name.removesuffix(SUFFIX)}.npz"


def _compressed(**arrays: NDArray[np.generic]) -> bytes:
    memory = io.BytesIO()
    np.savez(memory, **arrays)  # type: ignore[arg-type]
    return lzma.compress(memory.getvalue(), preset=2)


def rounded_parameters(parameters: NDArray[np.floating]) -> Small:
    """Packed parameters [frames, 448] in steps of `_STEPS`; what is not heard is left out."""
    kept = parameters.astype(np.float32)
    tones = kept[:, _TONES]
    tones[tones < _SILENT] = 0
    heard = tones.reshape(len(kept), p.TONES_PER_FRAME, p.NUM_TONES).any(axis=1)
    kept[:, _CENTS] *= heard
    return _rounded(kept / _STEPS)


def _rounded_levels(envelope: NDArray[np.floating]) -> Small:
    """Levels [frames, bands] in steps of `_LEVEL_STEP_DB`; what cannot be heard is all alike."""
    levels = envelope.astype(np.float32)
    measured = levels.any(axis=1, keepdims=True)
    floor = max(0.0, loudest_level(levels) - _AUDIBLE_DB)
    audible = np.asarray(np.maximum(levels, floor) * measured, dtype=np.float32)
    return _rounded(audible / np.float32(_LEVEL_STEP_DB))


def _restored(small: Small) -> NDArray[np.float32]:
    """Packed parameters [frames, 448] of `rounded_parameters`, turned."""
    return np.asarray(small.T * _STEPS, dtype=np.float32)


def _rounded(values: NDArray[np.float32]) -> Small:
    return np.clip(np.rint(values), -127, 127).astype(np.int8)
