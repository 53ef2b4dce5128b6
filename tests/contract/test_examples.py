"""The examples run as they stand, beside the example vocal and with a stand-in for the model."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest
import soundfile

import web_service

EXAMPLES = Path(__file__).parents[2] / "examples"
RESULTS = {
    "accompany_file.py": ["vocal.accompaniment.wav", "vocal.mix.wav"],
    "batch_folder.py": ["accompanied/one.mix.flac", "accompanied/two.mix.flac"],
    "custom_mix.py": ["custom-mix.wav"],
}


@pytest.fixture
def copied_examples(tmp_path):
    """A copy, so that nothing is written into the checkout."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return tmp_path / "examples"


@pytest.mark.parametrize("name", RESULTS)
def test_example(name, copied_examples, no_bundle_needed, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name])
    runpy.run_path(str(copied_examples / name), run_name="__main__")
    for result in RESULTS[name]:
        audio, rate = soundfile.read(copied_examples / result)
        assert rate == 44_100
        assert audio.shape[1] == 2
        assert abs(audio).max() > 0.05


@pytest.mark.lab
@pytest.mark.slow
def test_train_tiny(copied_examples, monkeypatch):
    pytest.importorskip("lightning")
    monkeypatch.chdir(copied_examples)
    runpy.run_path(str(copied_examples / "train_tiny.py"), run_name="__main__")
    assert (copied_examples / "tiny-bundle" / "manifest.json").is_file()


def test_http_client(copied_examples, make_app, monkeypatch):
    with web_service.served(make_app()) as address:
        monkeypatch.setenv("BANSO_ADDRESS", address)
        monkeypatch.setattr(sys, "argv", ["http_client.py"])
        runpy.run_path(str(copied_examples / "http_client.py"), run_name="__main__")
    for result in ("http-accompaniment.wav", "http-mix.wav"):
        assert abs(soundfile.read(copied_examples / result)[0]).max() > 0.05


def test_every_example_is_tested():
    others = {"train_tiny.py", "http_client.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*RESULTS, *others}
