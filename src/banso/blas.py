"""Keep numpy's matrix products on one core while something else needs the others.

The products here are small. Threads of OpenBLAS wait for each other by spinning, which on two cores
that have other work makes them several times slower than one thread is alone.
"""

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# OpenBLAS's own names, with what numpy's wheels put before and behind them.
_NAMES = ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}")


@dataclass(frozen=True, slots=True)
class _Blas:
    """How many threads there are, and how to change it."""

    get: Callable[[], int]
    set: Callable[[int], object]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let matrix products take one thread inside the context; with other libraries do nothing."""
    blas = _openblas()
    if blas is None:
        yield
        return
    before = blas.get()
    blas.set(1)
    try:
        yield
    finally:
        blas.set(before)


@functools.cache
def _openblas() -> _Blas | None:
    """The OpenBLAS that came with numpy; None if it came with none, or with a stranger one."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            found = _functions(path)
            if found is not None:
                return found
    return None


def _functions(path: Path) -> _Blas | None:
    try:
        # numpy has loaded it already; this only gets hold of it.
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    for name in _NAMES:
        if hasattr(library, name.format("set_num_threads")):
            get, set_ = (library[name.format(f"{verb}_num_threads")] for verb in ("get", "set"))
            set_.argtypes, set_.restype = [ctypes.c_int], None
            return _Blas(get, set_)
    return None
