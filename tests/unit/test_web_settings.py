"""How a service is run: what is refused, and how workers share the cores."""

import pytest

from banso.errors import ConfigError
from banso.web import settings
from banso.web.settings import ServiceSettings


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


def test_workers_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "usable_cores", lambda: 8)
    shares = [
        ServiceSettings(data_folder=tmp_path, workers=n).threads_per_worker for n in (1, 3, 8, 9)
    ]
    assert shares == [8, 2, 1, 1]
