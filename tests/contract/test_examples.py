"""The examples run as they stand, beside the example vocal and with a stand-in for the model."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest
import soundfile

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


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*RESULTS, "train_tiny.py"}
