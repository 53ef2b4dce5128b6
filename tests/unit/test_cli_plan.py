"""The command line tells which beats and chords the band obeyed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from banso.cli import app

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_bundle_needed")


def run(*arguments):
    return runner.invoke(app, ["accompany", *map(str, arguments)])


def test_json_tells_the_plan(vocals_file):
    told = json.loads(run(vocals_file(seconds=4.0), "--json", "--seed", 5).stdout)
    assert told["plan"] == "auto"
    sheet = told["lead_sheet"]
    frame = 2048 / 44_100
    assert np.abs(np.diff(sheet["beats"]) - 12 * frame).max() < frame
    assert set(sheet["downbeats"]) < set(sheet["beats"])
    assert sheet["chords"] == [[0.0, 4.0, "G:maj"]]


def test_without_a_plan_there_is_no_lead_sheet(vocals_file):
    told = json.loads(run(vocals_file(), "--json", "--plan", "none").stdout)
    assert told["plan"] == "none"
    assert told["lead_sheet"] is None
