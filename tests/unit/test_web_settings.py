"""How a service is run: what is refused, and how many cores there are."""

import os

import pytest

from banso.errors import ConfigError
from banso.web import settings
from banso.web.settings import ServiceSettings, usable_cores


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("engine", "steam"),
        ("workers", 0),
        ("workers", 257),
        ("queue_length", 0),
        ("max_upload_bytes", -1),
        ("max_seconds", float("nan")),
        ("job_seconds", 0.0),
        ("keep_days", 0.0),
        ("token", "short"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path, name, value):
    with pytest.raises(ConfigError, match=name):
        ServiceSettings(data_folder=tmp_path, **{name: value})


def test_the_token_is_not_shown(tmp_path):
    assert "sesame" not in repr(ServiceSettings(data_folder=tmp_path, token="open sesame"))


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000\n", 8), ("200000 100000\n", 2), ("150000 100000\n", 2), ("10000 100000\n", 1)],
)
def test_a_container_gets_as_many_threads_as_cores(tmp_path, monkeypatch, limit, cores):
    file = tmp_path / "cpu.max"
    file.write_text(limit)
    monkeypatch.setattr(settings, "_CPU_LIMIT", file)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert usable_cores() == cores
    assert ServiceSettings(data_folder=tmp_path, workers=1).threads_per_worker == cores
    assert ServiceSettings(data_folder=tmp_path, workers=5).threads_per_worker == 1


def test_only_the_cores_that_are_lent_count(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "_CPU_LIMIT", tmp_path / "none")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert usable_cores() == 3
