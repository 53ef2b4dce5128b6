"""Scores of plans: known answers, and the command that measures a data set."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mir_eval", reason="needs the eval extra")

from typer.testing import CliRunner

from banso.cli import app
from banso.eval.plans import chord_overlap, key_score, score_plan, write_plans
from banso.leadsheet import ChordSpan, LeadSheet
from banso.song_plan import SongPlan

pytestmark = pytest.mark.lab
BEATS = tuple(0.5 * index for index in range(32))
TRUTH = LeadSheet(
    beats=BEATS,
    downbeats=BEATS[::4],
    chords=(ChordSpan(0.0, 8.0, "C:maj"), ChordSpan(8.0, 16.0, "A:min7")),
    key="C:maj",
)


def plan(sheet, bpm=120.0, confidence=0.9, *, fits=False):
    return SongPlan(
        sheet=sheet,
        tempo_bpm=bpm,
        tempo_confidence=confidence,
        tempo_alternatives_bpm=(),
        chord_choices=(),
        beats_are_fixed=False,
        voice_fits_beats=fits,
    )


def test_the_truth_scores_one():
    scores = score_plan(TRUTH, plan(TRUTH), plan(TRUTH))
    told = (scores.key, scores.chords, scores.chords_given_beats, scores.tempo, scores.beats)
    assert told == (1, 1, 1, 1, 1)
    assert (scores.downbeats, scores.sure, scores.beats_if_sure) == (1, 1, 1)


def test_an_unsure_plan_withholds_its_beats():
    scores = score_plan(TRUTH, plan(TRUTH, confidence=0.01), plan(TRUTH))
    assert scores.sure == 0
    assert math.isnan(scores.beats_if_sure)


def test_beats_that_the_voice_keeps_to_are_played_though_nothing_is_sure():
    scores = score_plan(TRUTH, plan(TRUTH, confidence=0.01, fits=True), plan(TRUTH))
    assert (scores.sure, scores.beats_if_sure) == (1, 1)


@pytest.mark.parametrize(
    ("found", "score"),
    [("C:maj", 1), ("G:maj", 0.5), ("A:min", 0.3), ("C:min", 0.2), ("F#:maj", 0), (None, 0)],
)
def test_keys_are_weighted(found, score):
    assert key_score("C:maj", found) == score


def test_chords_overlap_by_their_time():
    half = (ChordSpan(0.0, 6.0, "C:7"), ChordSpan(6.0, 16.0, "E:min"))
    assert chord_overlap(TRUTH.chords, half) == pytest.approx(6 / 16)
    gaps = (ChordSpan(8.0, 12.0, "A:min/b3"),)
    assert chord_overlap(TRUTH.chords, gaps) == pytest.approx(4 / 16)
    assert chord_overlap(TRUTH.chords, ()) == 0
    sus = (ChordSpan(0.0, 8.0, "C:sus4"), ChordSpan(8.0, 16.0, "C:maj"))
    assert chord_overlap(sus, TRUTH.chords) == 0
    assert math.isnan(chord_overlap((), half))


@pytest.mark.parametrize(
    ("bpm", "exact", "octave"),
    [(120, 1, 1), (124, 1, 1), (126, 0, 0), (60, 0, 1), (242, 0, 1), (90, 0, 0), (None, 0, 0)],
)
def test_tempi(bpm, exact, octave):
    scores = score_plan(TRUTH, plan(TRUTH, bpm), plan(TRUTH))
    assert (scores.tempo, scores.tempo_or_octave) == (exact, octave)


def test_shifted_beats_are_wrong():
    late = replace(TRUTH, beats=tuple(b + 0.2 for b in BEATS), downbeats=())
    assert score_plan(TRUTH, plan(late), plan(TRUTH)).beats == 0


def test_tables(tmp_path):
    scores = {"a": score_plan(TRUTH, plan(TRUTH), plan(TRUTH))}
    scores["b"] = score_plan(TRUTH, plan(replace(TRUTH, key="G:maj"), None, 0.0), plan(TRUTH))
    text = write_plans(scores, tmp_path)
    assert "| key | 0.750 [" in text
    assert (tmp_path / "plans.md").read_text(encoding="utf-8") == text
    told = json.loads((tmp_path / "plans.json").read_text(encoding="utf-8"))
    assert told["b"]["beats_if_sure"] is None
    assert told["a"]["chords"] == 1


def test_the_command_needs_songs(tmp_path):
    done = CliRunner().invoke(app, ["evaluate", "--plans", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "give --data" in done.stderr
    assert not np.any([path.exists() for path in (tmp_path / "plans.md",)])
