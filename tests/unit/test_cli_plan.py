"""The command line tells which beats and chords the band obeyed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from banso.cli import app
from banso.pulse import Pulse

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_bundle_needed")


def run(*arguments):
    return runner.invoke(app, ["accompany", *map(str, arguments)])


def test_json_tells_the_plan(vocals_file, monkeypatch):
    pulse = Pulse(np.arange(0.1, 3.9, 0.5), np.arange(0.1, 3.9, 2.0), 0.9, 120.0, ())
    monkeypatch.setattr("banso.song_plan.find_pulse", lambda events, seconds: pulse)
    told = json.loads(run(vocals_file(seconds=4.0), "--json", "--seed", 5).stdout)
    assert told["plan"] == "auto"
    sheet = told["lead_sheet"]
    assert sheet["beats"] == pytest.approx(pulse.beats.tolist())
    assert sheet["downbeats"] == pytest.approx(pulse.downbeats.tolist())
    assert sheet["chords"] == [[0.0, 4.0, "G:maj"]]


def test_without_a_plan_there_is_no_lead_sheet(vocals_file):
    told = json.loads(run(vocals_file(), "--json", "--plan", "none").stdout)
    assert told["plan"] == "none"
    assert told["lead_sheet"] is None
