"""The command line tells which beats and chords the band obeyed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from banso.cli import app
from banso.pulse import Pulse
from banso.sheet_files import ENDINGS, read_sheet_file

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_bundle_needed")


def run(*arguments):
    return runner.invoke(app, ["accompany", *map(str, arguments)])


def test_json_tells_the_plan(vocals_file, monkeypatch):
    pulse = Pulse(np.arange(0.1, 3.9, 0.5), np.arange(0.1, 3.9, 2.0), 0.9, 120.0, ())
    monkeypatch.setattr("banso.song_plan.find_pulses", lambda *_: [pulse])
    told = json.loads(run(vocals_file(seconds=4.0), "--json", "--seed", 5).stdout)
    assert told["plan"] == "auto"
    sheet = told["lead_sheet"]
    assert sheet["beats"] == pytest.approx(pulse.beats.tolist())
    assert sheet["downbeats"] == pytest.approx(pulse.downbeats.tolist())
    assert sheet["chords"][0][0] == 0.0
    assert sheet["chords"][-1][1] == 4.0


def test_without_a_plan_there_is_no_lead_sheet(vocals_file):
    told = json.loads(run(vocals_file(), "--json", "--plan", "none").stdout)
    assert told["plan"] == "none"
    assert told["lead_sheet"] is None


def analyze(*arguments):
    return runner.invoke(app, ["analyze", *map(str, arguments)])


def test_analyze_prints_json(vocals_file):
    told = json.loads(analyze(vocals_file(seconds=6.0), "--json", "--bpm", 120).stdout)
    assert set(told) >= {
        "key",
        "tempo_bpm",
        "tempo_confidence",
        "beats",
        "downbeats",
        "chords",
        "notes",
    }
    assert (told["tempo_bpm"], told["tempo_confidence"]) == (120.0, 1.0)
    assert np.diff(told["beats"]) == pytest.approx(0.5, abs=2e-4)
    assert set(told["downbeats"]) < set(told["beats"])
    assert told["chords"][0][0] == 0
    assert told["chords"][-1][1] == 6.0
    assert [round(midi) for _, _, midi in told["notes"]][:6] == [60, 62, 64, 65, 67, 65]
    assert len(told["chord_choices"][0][2]) == 3


def test_analyze_prints_a_sheet_that_can_be_obeyed(vocals_file, tmp_path):
    recording = vocals_file(seconds=4.0)
    text = analyze(recording, "--bpm", 100, "--chords", "Dm | G7 . C .", "--key", "C").stdout
    sheet = tmp_path / "plan.banso.txt"
    sheet.write_text(text, encoding="utf-8")
    told = json.loads(run(recording, "--json", "--plan", sheet).stdout)["lead_sheet"]
    assert told["key"] == "C:maj"
    assert np.diff(told["beats"]) == pytest.approx(0.6, abs=2e-3)
    assert {label for _, _, label in told["chords"]} <= {"D:min", "G:7", "C:maj"}


def test_analyze_writes_files_that_agree(vocals_file, tmp_path):
    out = tmp_path / "out"
    recording = vocals_file(seconds=4.0)
    done = analyze(recording, "--bpm", 90, "--output-dir", out)
    assert done.exit_code == 0
    written = [out / line.rpartition("/")[2] for line in done.stdout.splitlines()]
    assert sorted(path.name for path in written) == sorted(
        f"{recording.stem}{ending}" for ending in ENDINGS
    )
    sheets = [read_sheet_file(path) for path in written[:3]]
    for sheet in sheets[1:]:
        assert sheet.beats == pytest.approx(sheets[0].beats, abs=1e-3)
        assert [s.label for s in sheet.chords] == [s.label for s in sheets[0].chords]
    again = analyze(recording, "--bpm", 90, "--output-dir", out)
    assert again.exit_code == 1
    assert "--force" in again.stderr


def test_analyze_says_when_it_is_unsure(vocals_file):
    done = analyze(vocals_file(seconds=2.0))
    assert done.exit_code == 0
    assert "the tempo is uncertain" in done.stderr
    assert "--bpm" in done.stderr


def test_analyze_goes_on_after_a_bad_file(vocals_file, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"nothing")
    done = analyze(bad, vocals_file(), "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert len(told["results"]) == 1
    assert told["errors"][0]["input"] == str(bad)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--plan", "perfect"], "none, auto"),
        (["--plan", "missing.mid"], "cannot read"),
        (["--bpm", "5"], "--bpm"),
        (["--key", "H"], "key cannot be read"),
        (["--chords", "C H"], "'H' is no chord name"),
        (["--plan", "none", "--key", "C"], "plan none"),
        (["--plan", "none", "--count-in"], "where bars are"),
    ],
)
def test_what_cannot_be_obeyed_is_one_error(vocals_file, arguments, hint):
    done = run(vocals_file(), *arguments)
    assert done.exit_code in (1, 2)
    assert hint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_label_file_gets_its_beats_from_bpm(vocals_file, tmp_path):
    labels = tmp_path / "song.lab"
    labels.write_text("0.5 2.5 C:maj\n2.5 4.0 E:7\n", encoding="utf-8")
    told = json.loads(
        run(vocals_file(seconds=4.0), "--json", "--plan", labels, "--bpm", 120).stdout
    )["lead_sheet"]
    assert told["beats"] == pytest.approx([0.5 * index for index in range(8)])
    assert told["downbeats"] == pytest.approx([0.5, 2.5])
    assert [0.5, 2.5, "C:maj"] in told["chords"]
    assert [2.5, 4.0, "E:7"] in told["chords"]
