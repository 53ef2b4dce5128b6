"""The evaluation of a set: rows, swap test, report; on six synthesised songs."""

import json

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.report import summarize, write_report
from banso.eval.statistics import derangement
from banso.eval.suite import METRICS, EvalItem, evaluate, load_items
from banso.leadsheet import ChordSpan, LeadSheet

pytestmark = pytest.mark.lab

RATE = 22050
SECONDS = 12
TIME = np.arange(SECONDS * RATE) / RATE
NUM_ITEMS = 6


def make_item(index):
    period = 0.45 + 0.04 * index
    beats = np.arange(0.2, SECONDS, period)
    roots = [(7 * index + step) % 12 for step in (0, 9, 5, 7, 2, 4)]
    names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    spans = tuple(ChordSpan(2.0 * k, 2.0 * k + 2, f"{names[r]}:maj") for k, r in enumerate(roots))
    sheet = LeadSheet(beats=tuple(beats.tolist()), chords=spans)
    band = sum(tone(60 + r + step, 2.0 * k) for k, r in enumerate(roots) for step in (0, 4, 7))
    band = band + clicks(beats)
    voice = sum(tone(72 + r, 2.0 * k) for k, r in enumerate(roots)) + clicks(beats[::2])
    return EvalItem(
        name=f"song {index}",
        sheet=sheet,
        sample_rate=RATE,
        read_vocals=lambda: voice[None].astype(np.float32),
        read_accompaniment=lambda: np.tile(band, (2, 1)).astype(np.float32),
    )


def tone(midi, start):
    wave = 0.1 * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * TIME)
    return wave * ((start <= TIME) & (start + 2 > TIME))


def clicks(times):
    out = np.zeros(len(TIME))
    burst = 0.3 * np.random.default_rng(0).standard_normal(1000) * np.exp(-np.arange(1000) / 150)
    for start in (np.asarray(times) * RATE).astype(int):
        out[start : start + 1000] += burst[: len(out) - start]
    return out


ITEMS = [make_item(index) for index in range(NUM_ITEMS)]


def generate(item, mode):
    """Right with the score; another song's band from the voice alone."""
    index = ITEMS.index(item)
    chosen = item if mode == "given" else ITEMS[derangement(NUM_ITEMS, 0)[index]]
    return chosen.read_accompaniment()


@pytest.fixture(scope="module")
def evaluation():
    def silence(item):
        return np.zeros((2, SECONDS * RATE), np.float32)

    return evaluate(ITEMS, generate, baseline=silence, workers=1)


def test_rows_hold_one_score_per_item(evaluation):
    assert set(evaluation.rows) == {
        "true", "shuffled", "ours_given", "swapped_given", "ours_vocal", "swapped_vocal", "baseline"
    }  # fmt: skip
    assert all(
        len(row[metric]) == NUM_ITEMS for row in evaluation.rows.values() for metric in METRICS
    )


def test_true_is_right_and_shuffled_is_not(evaluation):
    true, shuffled = evaluation.rows["true"], evaluation.rows["shuffled"]
    assert np.mean(true["chord_accuracy"]) > 0.95
    assert np.mean(true["beat_f1"]) > 0.9
    assert true["true_chroma_cosine"] == pytest.approx([1] * NUM_ITEMS, abs=1e-3)
    assert np.mean(shuffled["chord_accuracy"]) < 0.4
    assert np.mean(shuffled["beat_f1"]) < 0.6


def test_output_like_the_truth_closes_the_gap_and_like_another_song_does_not(evaluation):
    chord = summarize(evaluation)[0]
    assert chord.metric == "chord_accuracy"
    assert chord.is_usable
    assert chord.gap_closed["ours_given"].estimate == pytest.approx(1)
    assert chord.gap_closed["ours_vocal"].estimate == pytest.approx(0)
    assert chord.p_greater["ours_given"] == pytest.approx(1 / 2**NUM_ITEMS)


def test_swap_test_exposes_output_that_follows_another_voice(evaluation):
    rows = evaluation.rows
    assert np.mean(rows["swapped_given"]["chord_accuracy"]) < 0.4
    assert rows["swapped_vocal"]["chord_accuracy"] == pytest.approx(
        np.array(rows["true"]["chord_accuracy"])[list(derangement(NUM_ITEMS, 0))]
    )


def test_report_is_valid_json_and_a_table_per_question(evaluation, tmp_path):
    text = write_report(evaluation, tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["rows"]["true"]["beat_f1"] == evaluation.rows["true"]["beat_f1"]
    assert content["rows"]["baseline"]["key_agreement"] == [0] * NUM_ITEMS
    assert text.count("| chord accuracy |") == 3
    assert "| ours, given | 1.00 [1.00, 1.00], p = 0.016 |" in text
    assert (tmp_path / "evaluation.md").read_text() == text


def test_a_folder_without_manifest_is_named(tmp_path):
    from banso.errors import DataError

    with pytest.raises(DataError, match=r"manifest\.json"):
        load_items(tmp_path)
