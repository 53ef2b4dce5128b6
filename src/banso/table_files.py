"""The tables inside the package: what was learned from songs, as arrays by name."""

from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def table_names(prefix: str) -> list[str]:
    """Names of the shipped tables that begin like this, in order."""
    names = (entry.name for entry in _folder().iterdir())
    return sorted(name for name in names if name.startswith(prefix) and name.endswith(".npz"))


def read_table(name: str) -> Arrays:
    """Read a shipped table."""
    with (_folder() / name).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def floats(arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    """Return a table's arrays in single precision."""
    return {name: value.astype(np.float32) for name, value in arrays.items()}


def _folder() -> Any:  # noqa: ANN401 (its class moved between versions of Python)
    return resources.files("banso") / "tables"
