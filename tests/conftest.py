"""Fixtures that any test may use: synthetic singing, and an accompanist without a bundle."""

import os
import shutil
from pathlib import Path

# Small arrays gain nothing from threads, and the machine may be busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests that run graphs without banso keep to themselves as well.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import pytest
import soundfile

from banso.audio import Audio
from banso.pipeline import Accompanist
from fakes import fake_accompanist

DEBUG_BUNDLE = Path(__file__).parent / "data" / "debug_bundle"


def sing(seconds=2.0, sample_rate=44_100, num_channels=1, peak=0.3):
    """A synthetic voice: half-second notes of a scale, vibrato, seven harmonics, soft attacks."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    note = (time * 2).astype(int)
    midi = np.array([60, 62, 64, 65, 67, 65, 64, 62])[note % 8] + 0.3 * np.sin(
        2 * np.pi * 5.5 * time
    )
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((midi - 69) / 12)) / sample_rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 8))
    envelope = np.minimum(1, 20 * (time * 2 % 1)) * np.minimum(1, 8 * (1 - time * 2 % 1))
    mono = tone * envelope
    mono *= peak / np.abs(mono).max()
    return np.tile(mono, (num_channels, 1)).astype(np.float32)


# What a machine or its user cannot give, unlike a program or package that could be installed.
MAY_SKIP = {"gpu", "unprivileged"}


def pytest_addoption(parser):
    parser.addoption(
        "--no-skip",
        action="store_true",
        help="fail tests that would be skipped for want of a program or package (not of a GPU)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    return report if MAY_SKIP & set(item.keywords) else _not_skipped(report, item)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _not_skipped((yield), collector)


def _not_skipped(report, node):
    if report.skipped and not hasattr(report, "wasxfail") and node.config.getoption("--no-skip"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"skipped, which --no-skip does not allow: {reason}"
    return report


@pytest.fixture
def voice():
    """Two seconds of synthetic singing."""
    return Audio(sing(), 44_100)


@pytest.fixture
def vocals_file(tmp_path):
    """Write synthetic singing to a file: vocals_file(name, seconds=, sample_rate=, ...)."""

    def write(
        name="song.wav", *, seconds=2.0, sample_rate=44_100, num_channels=1, **format_options
    ):
        path = tmp_path / name
        samples = sing(seconds, sample_rate, num_channels)
        soundfile.write(os.fsencode(path), samples.T, sample_rate, **format_options)
        return path

    return write


@pytest.fixture
def accompanist():
    """An accompanist without a trained model."""
    return fake_accompanist()


@pytest.fixture
def debug_bundle():
    """Folder of the bundle that `scripts/make_debug_bundle.py` makes; real ONNX, no training."""
    return DEBUG_BUNDLE


@pytest.fixture
def no_bundle_needed(monkeypatch):
    """Let the command line use the accompanist without a trained model."""
    monkeypatch.setattr(
        Accompanist, "from_bundle", lambda path=None, num_threads=None: fake_accompanist()
    )


@pytest.fixture
def song():
    """One second of a sung note, as the bytes of a WAV file."""
    return pytest.importorskip("web_service", reason="needs the web extra").wav_bytes()


@pytest.fixture
def make_app(tmp_path, monkeypatch):
    """Make web applications: make_app(**settings); their workers are threads of the test."""
    pytest.importorskip("fastapi", reason="needs the web extra")
    from banso.conditioning import PART_NAMES
    from banso.web import service
    from banso.web.app import create_app
    from banso.web.settings import ServiceSettings
    from web_service import ThreadWorker

    monkeypatch.setattr(service, "_worker_maker", lambda settings: ThreadWorker)
    about = service.About("fake", "0123456789ab", ("pop", "rock"), PART_NAMES)
    monkeypatch.setattr(service.About, "from_bundle", lambda bundle: about)

    def make(**settings):
        values = {"data_folder": tmp_path / "data", "bundle": DEBUG_BUNDLE, **settings}
        values["hosts"] = ("testserver", *values.get("hosts", ()))
        return create_app(ServiceSettings(**values))

    return make


@pytest.fixture
def make_client(make_app):
    """Clients of the HTTP interface: make_client(**settings)."""
    testing = pytest.importorskip("starlette.testclient", reason="needs httpx, of the dev extra")
    clients = []

    def make(**settings):
        client = testing.TestClient(make_app(**settings))
        client.__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory):
    """A bundle of the tiny networks and how closely it agrees with them.

    Made once: tracing the graphs takes half a minute.
    """
    from banso.bundle import Manifest
    from banso.train.export import export_bundle
    from tiny_networks import tiny_networks

    facts = Manifest(name="tiny", licence="CC0-1.0", created_from="test", styles=("pop",))
    return export_bundle(*tiny_networks(), tmp_path_factory.mktemp("tiny") / "bundle", facts)


@pytest.fixture(scope="module")
def tiny_bundle(tiny_export, tmp_path_factory):
    """The same bundle in a folder of a module's own."""
    from banso.bundle import load_bundle

    folder = tmp_path_factory.mktemp("own") / "bundle"
    shutil.copytree(tiny_export[0].folder, folder)
    return load_bundle(folder)
