import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("librosa")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

import bench_steps  # noqa: E402
from bench_steps import MANY_STEPS, System  # noqa: E402

from banso.codec.parameters import NUM_PARAMETERS  # noqa: E402
from banso.conditioning import KNOWN  # noqa: E402
from banso.config import SamplerConfig  # noqa: E402
from banso.data.cache import Example  # noqa: E402
from tiny_networks import tiny_networks  # noqa: E402

pytestmark = pytest.mark.lab


def song(number):
    random = np.random.default_rng(number)
    return Example(
        item_id=str(number),
        split="validation",
        parameters=random.random((96, NUM_PARAMETERS)).astype(np.float16),
        conditions=random.random((96, KNOWN.start)).astype(np.float16),
    )


def test_teacher_and_student_are_measured_side_by_side():
    denoiser, codec = tiny_networks()
    teacher = System("teacher", denoiser, SamplerConfig())
    folded = SamplerConfig(num_steps=4, order=1, guidance_folded=True, sigma_min=0.4, rho=15.0)
    systems = bench_steps.systems_of(teacher, System("student", denoiser, folded), [4, 9], [2, 4])
    measured = bench_steps.measure(systems, [song(0), song(1)], codec, 64, KNOWN.start)
    rows = {row["system"]: row for row in bench_steps.rows_of(measured)}
    evaluations = {name: row["evaluations"] for name, row in rows.items()}
    assert evaluations["teacher, 9 steps"] == 15
    assert evaluations["student, 4 steps"] == 4
    assert evaluations["teacher, levels of the student, 4 steps"] == 4 + 3
    distances = {name: row["distance"][0] for name, row in rows.items()}
    assert distances[f"teacher, {MANY_STEPS} steps"] == 0
    assert 0 < distances["teacher, 9 steps"] < distances["teacher, 4 steps"]
    assert rows["true"]["frechet"] < 1e-6
    assert rows["another song"]["frechet"] < 1e-6  # the same songs, in another order


def test_the_chroma_of_a_band_agrees_with_itself_alone():
    one, other = song(0).parameters.astype(np.float32), song(1).parameters.astype(np.float32)
    assert bench_steps.chroma_cosine(one, one) == pytest.approx(1, abs=1e-4)
    assert bench_steps.chroma_cosine(other, one) < 0.999
