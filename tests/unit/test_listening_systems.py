"""Where the bands of a listening test come from."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.audio import Audio
from banso.cli import app
from banso.errors import ConfigError, DataError
from banso.eval.listening_systems import (
    bundle_systems,
    folder_system,
    listening_items,
    parse_system,
)
from banso.eval.sets import EvalItem
from banso.files import write_audio
from banso.leadsheet import LeadSheet
from banso.options import GenerationOptions

pytestmark = pytest.mark.lab

RATE = 44_100
SHEET = LeadSheet(beats=(0.0, 0.5, 1.0, 1.5), downbeats=(0.0, 1.0))


def constant(value):
    return np.full((2, 2 * RATE), value, np.float32)


def eval_items(count=4):
    return [
        EvalItem(
            name=f"song-{k}",
            sheet=SHEET,
            sample_rate=RATE,
            read_vocals=lambda k=k: constant(-0.01 * (k + 1))[:1],
            read_accompaniment=lambda k=k: constant(0.01 * (k + 1)),
        )
        for k in range(count)
    ]


def level(band):
    return round(float(band().samples.mean()), 3)


def test_reference_is_the_own_band_and_anchor_is_another_song_s():
    made = listening_items(eval_items(), {}, seed=3)
    assert [level(item.bands["true"]) for item in made] == [0.01, 0.02, 0.03, 0.04]
    anchors = [level(item.bands["shuffled"]) for item in made]
    assert sorted(anchors) == [0.01, 0.02, 0.03, 0.04]
    assert all(level(item.bands["true"]) != a for item, a in zip(made, anchors, strict=True))
    assert made[2].read_vocals().samples.mean() == pytest.approx(-0.03)
    assert made[0].downbeats == (0.0, 1.0)


def test_every_system_is_asked_for_its_own_song():
    systems = {"other": lambda item: Audio(10 * item.read_accompaniment(), RATE)}
    made = listening_items(eval_items(), systems)
    assert [level(item.bands["other"]) for item in made] == [0.1, 0.2, 0.3, 0.4]


def test_names_of_reference_and_anchor_are_taken():
    with pytest.raises(ConfigError, match="called true, which is taken"):
        listening_items(eval_items(), {"true": lambda item: Audio(constant(0.1), RATE)})


def test_songs_without_a_band_are_refused():
    items = [replace(item, read_accompaniment=None) for item in eval_items()]
    with pytest.raises(DataError, match="no true band"):
        listening_items(items, {})


def test_files_are_found_by_song_or_by_place(tmp_path):
    names = ("song-0.wav", "song-1.accompaniment.flac", "002.flac", "003.wav")
    for k, name in enumerate(names):
        write_audio(tmp_path / name, Audio(constant(0.1 * (k + 1)), RATE))
    items = eval_items()
    system = folder_system(tmp_path, items)
    assert [round(float(system(i).samples.mean()), 2) for i in items] == [0.1, 0.2, 0.3, 0.4]


def test_a_missing_file_is_named_before_anything_is_made(tmp_path):
    write_audio(tmp_path / "song-0.wav", Audio(constant(0.1), RATE))
    with pytest.raises(DataError, match=r"no recording of song-1; name it song-1\.wav or 001\.wav"):
        folder_system(tmp_path, eval_items())
    assert folder_system(tmp_path, eval_items(), num_songs=1) is not None


@pytest.mark.parametrize("text", ["folder", "=folder", "name="])
def test_a_system_has_a_name_and_a_folder(text):
    with pytest.raises(ConfigError, match="NAME=FOLDER"):
        parse_system(text)


def test_each_condition_asks_the_bundle_for_its_own_plan(accompanist, voice, monkeypatch):
    asked = []
    made = accompanist.accompany

    def accompany(vocals, options):
        asked.append((options.plan, options.lead_sheet, options.seed))
        return made(vocals, options)

    monkeypatch.setattr(accompanist, "accompany", accompany)
    systems = bundle_systems(accompanist, None, GenerationOptions(seed=7))
    assert list(systems) == ["ours_given", "ours_auto", "baseline"]
    item = replace(eval_items()[0], read_vocals=lambda: voice.samples)
    for name in ("ours_given", "ours_auto"):
        assert systems[name](item).num_samples == voice.num_samples
    assert asked == [("none", SHEET, 7), ("auto", None, 7)]
    chosen = bundle_systems(accompanist, ["vocal"], GenerationOptions(seed=7))
    assert list(chosen) == ["ours_vocal", "baseline"]
    chosen["ours_vocal"](item)
    assert asked[2:] == [("none", None, 7)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listening-test",), "give --data"),
        (("--analyze-listening", "a.json"), "give the test's key.json"),
    ],
)
def test_what_is_missing_is_one_line(arguments, words, tmp_path):
    done = CliRunner().invoke(app, ["evaluate", *arguments, "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert words in done.stderr
