"""`banso evaluate` in its three kinds, as far as a bundle without training goes."""

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.cli import app
from banso.errors import BundleError
from banso.eval import bundles
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

pytestmark = pytest.mark.lab


def evaluate(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_real_voices_of_a_folder_are_measured(vocals_file, debug_bundle, tmp_path):
    vocals_file("a.wav", seconds=3.0)
    vocals_file("b.flac", seconds=2.0)
    out = tmp_path / "report"
    done = evaluate("--voices", tmp_path, "--out", out, "--bundle", debug_bundle)
    assert done.exit_code == 0, done.output
    rows = json.loads((out / "voices.json").read_text())
    assert [(row["name"], row["seconds"]) for row in rows] == [("a.wav", 3.0), ("b.flac", 2.0)]
    assert all(row["silent_share"] < 1 and row["peak"] < 1 for row in rows)
    assert (out / "voices.md").read_text() in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to evaluate"),
        (("--codec",), "nothing to send"),
        (("--voices", "."), "holds 0 recordings"),
    ],
)
def test_nothing_to_evaluate_is_one_line(arguments, words, debug_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = evaluate(*arguments, "--out", tmp_path, "--bundle", debug_bundle)
    assert done.exit_code == 1
    assert words in done.stderr


def test_each_condition_asks_for_its_own_plan(accompanist, voice, tmp_path, monkeypatch):
    asked = {}

    class Item:
        name, sheet, sample_rate = "a", None, 44_100

        @staticmethod
        def read_vocals():
            return voice.samples

    def run(items, generate, *, modes, seed):
        for mode in modes:
            generate(items[0], mode)

    made = accompanist.accompany

    def accompany(vocals, options):
        asked[len(asked)] = options.plan
        return made(vocals, options)

    monkeypatch.setattr(accompanist, "accompany", accompany)
    monkeypatch.setattr(Accompanist, "from_bundle", lambda path: accompanist)
    monkeypatch.setattr(bundles, "load_items", lambda data, split, limit: [Item])
    monkeypatch.setattr(bundles, "evaluate", run)
    monkeypatch.setattr(bundles, "write_report", lambda evaluation, out: "")
    options = GenerationOptions(seed=0)
    bundles.evaluate_bundle(None, tmp_path, tmp_path, options=options)
    assert list(asked.values()) == ["none", "none", "auto"]
    accompanist.planner = None
    asked.clear()
    bundles.evaluate_bundle(None, tmp_path, tmp_path, options=options)
    assert list(asked.values()) == ["none", "none"]
    with pytest.raises(BundleError, match="no planner"):
        bundles.evaluate_bundle(None, tmp_path, tmp_path, options=options, conditions=["auto"])
