"""Which recordings a run is about, and that their results do not get in each other's way."""

from collections.abc import Iterable
from pathlib import Path

from banso.conditioning import PART_NAMES
from banso.errors import AudioError, BansoError, ConfigError
from banso.files import READABLE_SUFFIXES
from banso.options import GenerationOptions, OutputOptions, kept_paths

# Endings of banso's own results, which a second run over the same folder must not sing to.
_RESULT_ENDINGS = (".accompaniment", ".mix", *(f".{part}" for part in PART_NAMES))


def is_batch(inputs: list[Path]) -> bool:
    """Return whether a run may have several results: several inputs, or a folder."""
    return len(inputs) != 1 or inputs[0].is_dir()


def collect_vocals(
    inputs: Iterable[Path], output: OutputOptions, generation: GenerationOptions | None = None
) -> tuple[Path, ...]:
    """Return the recordings to accompany: files as given, folders' audio files by name.

    Folders are not searched deeper, and banso's own results in them are left out.

    Raises:
        AudioError: If a folder holds no recordings or cannot be listed.
        ConfigError: If two recordings would have the same result, or a result would replace a
            recording.
    """
    found: list[Path] = []
    for path in inputs:
        found.extend(_recordings_in(path) if path.is_dir() else [path])
    recordings = tuple(dict.fromkeys(found))
    _check_distinct(recordings, output, generation or GenerationOptions())
    return recordings


def _recordings_in(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise AudioError(f"cannot list {folder}: {error.strerror or error}") from error
    recordings = [
        path
        for path in files
        if path.suffix.lower() in READABLE_SUFFIXES
        and not path.name.startswith(".")
        and not path.stem.endswith(_RESULT_ENDINGS)
    ]
    if not recordings:
        raise AudioError(f"{folder} holds no recordings")
    return recordings


def _check_distinct(
    recordings: tuple[Path, ...], output: OutputOptions, generation: GenerationOptions
) -> None:
    sources = {path.absolute() for path in recordings}
    owners: dict[Path, Path] = {}
    for recording in recordings:
        paths = kept_paths(recording, output, generation)
        for target in (target for one in paths for target in one.all()):
            other = owners.setdefault(target.absolute(), recording)
            if other != recording:
                raise _clash(f"{other} and {recording} would both be written to {target}")
            if target.absolute() in sources:
                raise _clash(f"the result {target} would replace one of the recordings")


def _clash(what: str) -> BansoError:
    return ConfigError(f"{what}; rename one, or run them into separate folders")
