"""Core runs without the lab: checked in a fresh process, where nothing else has imported it."""

import json
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


def imported_by(*modules):
    code = f"import {', '.join(modules)}, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_core_imports_no_lab():
    modules = imported_by(*CORE)
    assert not modules & (LAB | LATE)
    assert not {m for m in modules if m.startswith(("banso.model", "banso.data", "banso.eval"))}


def test_a_loaded_model_needs_no_lab():
    modules = imported_by("banso.runtime")
    assert "onnxruntime" in modules
    assert not modules & LAB


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
