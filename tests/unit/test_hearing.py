"""What all metrics hear, and that several processes may begin to hear at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

pytestmark = pytest.mark.lab

# Ends by a signal if the compiled loops on disk are a mixture of two processes'.
PROGRAM = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import numpy as np
from banso.eval.hearing import compile_loops, hear
from banso.eval.metrics import vocal_onsets

def count(seconds):
    clicks = np.zeros(8 * 22050, np.float32)
    clicks[:: round(seconds * 22050)] = 1
    return len(vocal_onsets(hear(clicks, 22050)))

if __name__ == "__main__":
    compile_loops()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        print(*pool.map(count, (0.5, 0.4)))
"""


@pytest.mark.slow
def test_processes_find_the_loops_compiled(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "compiled")}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = [int(count) for count in done.stdout.split()]
    assert counts == pytest.approx([16, 20], abs=1)
    kept = list(Path(tmp_path / "compiled").rglob("*peak_pick*"))
    assert kept
