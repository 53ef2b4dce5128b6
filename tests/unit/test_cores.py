import os

import pytest

from banso import cores
from banso.cores import usable_cores
from banso.runtime.session import Session


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Eight cores, all lent, and no limit yet."""
    monkeypatch.setattr(cores, "_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setattr(cores, "_LIMIT_V1", tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def test_without_a_limit_all_count():
    assert usable_cores() == 8


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1),
        ("9900000 100000", 8), ("", 8), ("100000 0", 8), ("many few", 8),
    ],
)  # fmt: skip
def test_a_container_s_limit(tmp_path, limit, wanted):
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert usable_cores() == wanted


@pytest.mark.parametrize(("quota", "wanted"), [("-1", 8), ("250000", 3), ("50000", 1)])
def test_a_limit_of_the_older_kind(tmp_path, quota, wanted):
    (tmp_path / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores() == wanted


def test_only_the_cores_that_are_lent_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert usable_cores() == 3


@pytest.mark.parametrize(("asked", "wanted"), [(None, 2), (1, 1), (5, 5)])
def test_networks_take_as_many_threads(tmp_path, monkeypatch, debug_bundle, asked, wanted):
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    session = Session(debug_bundle / "denoiser.onnx", asked)
    assert session.num_threads == wanted
