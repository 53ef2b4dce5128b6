"""Core runs without the lab: checked in a fresh process, where nothing else has imported it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import banso

CORE = [
    "banso", "banso.audio", "banso.batch", "banso.bundle", "banso.chords", "banso.cli",
    "banso.conditioning", "banso.config", "banso.decoding", "banso.delivery", "banso.errors",
    "banso.features", "banso.files", "banso.generation", "banso.leadsheet", "banso.listening",
    "banso.loudness", "banso.mixing", "banso.mpeg", "banso.options",
    "banso.outputs", "banso.pipeline", "banso.report", "banso.results", "banso.sampler",
    "banso.schedule", "banso.scratch", "banso.stopwatch", "banso.survey", "banso.take",
    "banso.truepeak", "banso.truncation", "banso.version", "banso.windows",
]  # fmt: skip
LAB = {"torch", "scipy", "librosa", "lightning", "matplotlib", "mido", "onnx", "diffusers"}
# Only a model that is really loaded should have to wait for it.
LATE = {"onnxruntime"}
GRAPH = Path(__file__).parents[1] / "data" / "debug_bundle" / "codec_encoder.onnx"
LOAD = f"import pathlib; banso.runtime.Session(pathlib.Path({str(GRAPH)!r}), 1)"


def imported_by(*modules, run="pass", environment=None):
    code = f"import {', '.join(modules)}, sys, json; {run}; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert not done.stderr
    return set(json.loads(done.stdout))


def test_core_imports_no_lab():
    modules = imported_by(*CORE)
    assert not modules & (LAB | LATE)
    assert not {m for m in modules if m.startswith(("banso.model", "banso.data", "banso.eval"))}


def test_a_loaded_model_needs_no_lab():
    modules = imported_by("banso.runtime", run=LOAD)
    assert "onnxruntime" in modules
    assert not modules & LAB


def test_a_loaded_model_keeps_to_itself(tmp_path):
    # ONNX Runtime leaves a number for the device in the cache if it is to send what it does.
    plain = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    told = imported_by("banso.runtime", run=LOAD, environment=plain)
    assert "onnxruntime" in told
    assert not [*tmp_path.rglob("*")]


@pytest.mark.parametrize("module", ["banso.errors", "banso.windows"])
def test_any_module_can_be_imported_first(module):
    assert module in imported_by(module)


def test_public_names():
    assert banso.__all__ == ["Accompanist", "Audio", "BansoError", "__version__", "accompany"]
    for name in banso.__all__:
        assert hasattr(banso, name)


def test_one_version():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == banso.__version__
