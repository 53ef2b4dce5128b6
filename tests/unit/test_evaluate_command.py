"""`banso evaluate` in all its kinds, as far as a bundle without training goes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.audio import Audio
from banso.cli import app
from banso.data.manifest import Item, build_manifest, sha256_of, write_item
from banso.errors import ConfigError
from banso.eval.making import our_systems, possible_modes, seam_seconds
from banso.eval.request import Request
from banso.eval.sets import EvalItem
from banso.files import write_audio
from banso.leadsheet import ChordSpan, LeadSheet
from banso.options import GenerationOptions

pytestmark = pytest.mark.lab

SECONDS, RATE = 4, 44_100


def evaluate(*arguments):
    return CliRunner().invoke(app, ["evaluate", "--workers", "0", *map(str, arguments)])


def tones(midi, seconds=SECONDS):
    time = np.arange(seconds * RATE) / RATE
    wave = sum(np.sin(2 * np.pi * 440 * 2 ** ((m - 69) / 12) * time) for m in midi)
    return (0.1 * wave * (0.2 + (time * 2 % 1 < 0.7))).astype(np.float32)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set of three songs of four seconds, one chord each."""
    folder = tmp_path_factory.mktemp("set")
    for index, root in enumerate((60, 62, 65)):
        place = folder / "items" / f"song-{index}"
        place.mkdir(parents=True)
        voice, band = tones([root + 12]), tones([root, root + 4, root + 7])
        write_audio(place / "vocals.flac", Audio(voice[None], RATE))
        write_audio(place / "accompaniment.flac", Audio(np.stack([band, band]), RATE))
        name = ("C", "D", "F")[index]
        beats = tuple(np.arange(0.0, SECONDS, 0.5).tolist())
        sheet = LeadSheet(
            beats=beats,
            downbeats=beats[::4],
            chords=(ChordSpan(0.0, float(SECONDS), f"{name}:maj"),),
        )
        item = Item(
            item_id=place.name, song_id=place.name, source="tones", split="test", style="none",
            num_samples=SECONDS * RATE, sample_rate=RATE, lead_sheet=sheet, start_seconds=0.0,
            transposition=0, tempo_factor=1.0, seed=0, soundfont="none", licence="CC0-1.0",
            attribution="nobody",
            sha256={file.name: sha256_of(file) for file in sorted(place.glob("*.flac"))},
        )  # fmt: skip
        write_item(place, item)
    build_manifest(folder)
    return folder


@pytest.fixture
def common(debug_bundle, tmp_path):
    return ("--bundle", debug_bundle, "--cache", tmp_path / "cache", "--num-steps", 1)


def test_a_set_is_measured_the_same_each_time(prepared, common, tmp_path):
    out = tmp_path / "report"
    arguments = ("--data", prepared, "--out", out, "--no-baseline", "--candidates", 3, *common)
    done = evaluate(*arguments)
    assert done.exit_code == 0, done.output
    first = {path.name: path.read_text() for path in out.iterdir()}
    assert set(first) == {"evaluation.json", "evaluation.md", "evaluation.html"}
    assert first["evaluation.md"] in done.stdout
    rows = json.loads(first["evaluation.json"])["rows"]
    assert {"true", "shuffled", "codec", "ours_given", "ours_vocal"} <= set(rows)
    assert rows["true"]["chord_accuracy"] == [1.0] * 3
    assert json.loads(first["evaluation.json"])["frechet"]["codec"]["estimate"] >= 0
    assert evaluate(*arguments, "--cache", tmp_path / "another").exit_code == 0
    assert {path.name: path.read_text() for path in out.iterdir()} == first


def test_spoilt_voices_are_compared_with_clean_ones(prepared, common, tmp_path):
    out = tmp_path / "report"
    done = evaluate("--set", "robustness", "--data", prepared, "--out", out, "--limit", 2, *common)
    assert done.exit_code == 0, done.output
    rows = json.loads((out / "robustness.json").read_text())["rows"]
    assert {"clean", "noise 0 dB", "room", "phone band", "clipping", "gaps"} <= set(rows)
    assert (out / "robustness.html").read_text().startswith("<!doctype html>")


def test_key_figures_fit_on_a_page(prepared, common, tmp_path):
    out = tmp_path / "report"
    done = evaluate("--kpi", "--data", prepared, "--out", out, "--limit", 2, *common)
    assert done.exit_code == 0, done.output
    content = json.loads((out / "kpi.json").read_text())
    assert content["in_key"]["true"]["estimate"] > 0.95
    assert all(cost["peak_mib"] > 20 and cost["clock_seconds"] > 0 for cost in content["costs"])
    assert "not measured: no training data given" in (out / "kpi.md").read_text()


def test_voices_are_a_set_too(vocals_file, common, tmp_path):
    vocals_file("a.wav", seconds=4.0)
    vocals_file("b.flac", seconds=4.0)
    (tmp_path / "a.txt").write_text("0.0 1.0 60\n1.0 2.0 64\n")
    (tmp_path / "b.txt").write_text("words that were sung\n")
    out = tmp_path / "report"
    arguments = ("--set", "voices", "--data", tmp_path, "--out", out, "--no-baseline")
    done = evaluate(*arguments, "--candidates", 2, *common)
    assert done.exit_code == 0, done.output
    rows = json.loads((out / "evaluation.json").read_text())["rows"]
    assert "true" not in rows
    assert all(0 <= value <= 1 for value in rows["ours_vocal"]["sung_in_chord"])


def test_real_voices_of_a_folder_are_measured_one_by_one(vocals_file, debug_bundle, tmp_path):
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
        (("--data", ".", "--data", "."), "has one folder; 2 were given"),
        (("--data", ".", "--judge", "nobody"), "judge is 'nobody'"),
        (("--data", ".", "--split", "all"), "split is 'all'"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    arguments, words, debug_bundle, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = evaluate(*arguments, "--out", tmp_path, "--bundle", debug_bundle)
    assert done.exit_code == 1
    assert words in done.stderr


def test_each_condition_asks_for_its_own_plan(accompanist, voice, monkeypatch):
    asked = []
    made = accompanist.accompany

    def accompany(vocals, options):
        asked.append((options.plan, options.lead_sheet is not None))
        return made(vocals, options)

    monkeypatch.setattr(accompanist, "accompany", accompany)
    item = EvalItem(
        name="a", sheet=LeadSheet(), sample_rate=44_100,
        read_vocals=lambda: voice.samples, read_accompaniment=None,
    )  # fmt: skip
    options = GenerationOptions(seed=0)
    modes = possible_modes(has_score=True)
    systems = our_systems(accompanist, modes, options)
    for system in systems:
        system.make(item)
    assert asked == [("none", True), ("none", False), ("auto", False)]
    assert len({system.identity for system in systems}) == 3
    (other,) = our_systems(accompanist, ["auto"], replace(options, seed=1))
    assert other.identity not in {system.identity for system in systems}
    assert possible_modes(has_score=False) == ("vocal", "auto")


def test_seams_are_where_windows_take_over(accompanist):
    # The fake's windows are 32 frames of 46 ms, know 16 and forget 1: 1.44 s, then every 0.70 s.
    assert seam_seconds(accompanist, 1.0) == ()
    assert seam_seconds(accompanist, 2.9) == pytest.approx(
        np.array([31, 46, 61]) * 2048 / 44_100, abs=1e-6
    )


def test_a_set_that_is_not_known_is_named(tmp_path):
    with pytest.raises(ConfigError, match="set is 'songs'"):
        Request(
            bundle=None, kind="songs", data=(tmp_path,), out=tmp_path, options=GenerationOptions()
        )
