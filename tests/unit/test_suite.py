"""The evaluation of a set: rows, retrieval, kept observations, report; on synthesised songs."""

import json

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.errors import DataError
from banso.eval.gallery import Rendition
from banso.eval.observation import Observer, Store
from banso.eval.report import digest, write_report
from banso.eval.sets import EvalItem, load_items
from banso.eval.statistics import derangement
from banso.eval.suite import Plan, System, evaluate
from banso.leadsheet import ChordSpan, LeadSheet

pytestmark = pytest.mark.lab

RATE = 22050
SECONDS = 12
TIME = np.arange(SECONDS * RATE) / RATE
NUM_ITEMS = 6
NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
NO_LATENTS = Observer(with_latents=False)


def make_item(index):
    period = 0.45 + 0.04 * index
    beats = np.arange(0.2, SECONDS, period)
    roots = [(7 * index + step) % 12 for step in (0, 9, 5, 7, 2, 4)]
    spans = tuple(ChordSpan(2.0 * k, 2.0 * k + 2, f"{NAMES[r]}:maj") for k, r in enumerate(roots))
    sheet = LeadSheet(
        beats=tuple(beats.tolist()), downbeats=tuple(beats[::4].tolist()), chords=spans
    )
    band = sum(tone(60 + r + step, 2.0 * k) for k, r in enumerate(roots) for step in (0, 4, 7))
    band = band + clicks(beats)
    voice = sum(tone(60 + r, 2.0 * k) for k, r in enumerate(roots)) + 0.1 * clicks(beats[::2])
    return EvalItem(
        name=f"song {index}",
        sheet=sheet,
        sample_rate=RATE,
        read_vocals=lambda: voice[None].astype(np.float32),
        read_accompaniment=lambda: np.tile(band, (2, 1)).astype(np.float32),
        identity=f"checksum {index}",
    )


def tone(midi, start):
    hertz = 440 * 2 ** ((midi - 69) / 12)
    wave = 0.1 * sum(0.5**h * np.sin(2 * np.pi * h * hertz * TIME) for h in (1, 2, 3))
    return wave * ((start <= TIME) & (start + 2 > TIME))


def clicks(times):
    out = np.zeros(len(TIME))
    burst = 0.3 * np.random.default_rng(0).standard_normal(1000) * np.exp(-np.arange(1000) / 150)
    for start in (np.asarray(times) * RATE).astype(int):
        out[start : start + 1000] += burst[: len(out) - start]
    return out


ITEMS = [make_item(index) for index in range(NUM_ITEMS)]


def right(item):
    return Rendition(samples=item.read_accompaniment(), sample_rate=RATE)


def wrong(item):
    """Another song's band, whatever is sung."""
    return right(ITEMS[derangement(NUM_ITEMS, 0)[ITEMS.index(item)]])


def silent(item):
    return Rendition(samples=np.zeros((2, SECONDS * RATE), np.float32), sample_rate=RATE)


SYSTEMS = [
    System(row="ours_given", make=right, swapped=True),
    System(row="ours_vocal", make=wrong, swapped=True),
    System(row="baseline", make=silent),
]


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(ITEMS, SYSTEMS, Plan(workers=0, observer=NO_LATENTS))


@pytest.fixture(scope="module")
def summaries(evaluation):
    return {summary.metric: summary for summary in digest(evaluation).summaries}


def test_rows_hold_one_score_per_item(evaluation):
    assert set(evaluation.rows) == {
        "true", "shuffled", "ours_given", "swapped_ours_given", "ours_vocal", "swapped_ours_vocal",
        "baseline",
    }  # fmt: skip
    lengths = {len(values) for row in evaluation.rows.values() for values in row.values()}
    assert lengths == {NUM_ITEMS}


def test_true_is_right_and_shuffled_is_not(evaluation):
    true, shuffled = evaluation.rows["true"], evaluation.rows["shuffled"]
    assert np.mean(true["chord_accuracy"]) > 0.95
    assert np.mean(true["beat_f1"]) > 0.9
    assert np.mean(true["sung_in_chord"]) > 0.9
    assert true["true_chroma_cosine"] == pytest.approx([1] * NUM_ITEMS, abs=1e-3)
    assert np.mean(shuffled["chord_accuracy"]) < 0.4
    assert np.mean(shuffled["beat_f1"]) < 0.6
    assert np.mean(shuffled["sung_in_chord"]) < 0.5


def test_output_like_the_truth_closes_the_gap_and_like_another_song_does_not(summaries):
    chord = summaries["chord_accuracy"]
    assert chord.is_usable
    assert chord.gap_closed["ours_given"].estimate == pytest.approx(1)
    assert chord.gap_closed["ours_vocal"].estimate == pytest.approx(0)
    assert chord.p_greater["ours_given"] == pytest.approx(1 / 2**NUM_ITEMS)


def test_swap_test_exposes_output_that_follows_another_voice(evaluation):
    rows, partner = evaluation.rows, list(derangement(NUM_ITEMS, 0))
    assert np.mean(rows["swapped_ours_given"]["chord_accuracy"]) < 0.4
    true = np.array(rows["true"]["chord_accuracy"])
    assert rows["swapped_ours_vocal"]["chord_accuracy"] == pytest.approx(true[partner])


def test_a_voice_finds_its_own_band_among_the_others(evaluation):
    assert evaluation.num_candidates == NUM_ITEMS
    # Two of the songs share most of their chords.
    assert sorted(evaluation.ranks["true"])[:-1] == [1] * (NUM_ITEMS - 1)
    assert evaluation.ranks["true"] == pytest.approx(
        [1 + 5 * (1 - share) for share in evaluation.rows["true"]["retrieval"]]
    )
    assert min(evaluation.ranks["shuffled"]) > 1
    assert evaluation.ranks["baseline"] == pytest.approx([NUM_ITEMS] * NUM_ITEMS, abs=1)


def test_report_is_valid_json_markdown_and_a_page_of_its_own(evaluation, tmp_path):
    text = write_report(evaluation, tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["rows"]["true"]["beat_f1"] == evaluation.rows["true"]["beat_f1"]
    assert content["rows"]["baseline"]["key_agreement"] == [0] * NUM_ITEMS
    assert "| ours, given | 1.000 [1.000, 1.000] | 1.00 [1.00, 1.00] | 0.016 |" in text
    assert (tmp_path / "evaluation.md").read_text() == text
    page = (tmp_path / "evaluation.html").read_text()
    assert page.count("<svg") == len([s for s in content["summaries"] if s["means"]["true"]])
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_metrics_that_do_not_tell_true_from_shuffled_are_dropped(evaluation):
    rows = {row: dict(scores) for row, scores in evaluation.rows.items()}
    rows["true"]["onset_sync"] = rows["shuffled"]["onset_sync"]
    from dataclasses import replace

    from banso.eval.report import to_markdown

    spoilt = replace(evaluation, rows=rows)
    text = to_markdown(spoilt, digest(spoilt))
    summary, _, validity = text.partition("## Does a metric")
    assert "onset sync" not in summary
    assert "| onset sync | 0.500 | no: dropped from the summary |" in validity


def test_what_is_known_is_not_made_again_and_gives_the_same(evaluation, tmp_path):
    asked = []

    def counted(item):
        asked.append(item.name)
        return right(item)

    plan = Plan(workers=0, observer=NO_LATENTS, store=Store(tmp_path))
    system = System(row="ours_given", make=counted, identity="one")
    first = evaluate(ITEMS, [system], plan)
    again = evaluate(ITEMS, [system], plan)
    assert len(asked) == NUM_ITEMS
    assert repr(again.rows) == repr(first.rows)
    evaluate(ITEMS, [System(row="ours_given", make=counted, identity="two")], plan)
    assert len(asked) == 2 * NUM_ITEMS
    for path in tmp_path.iterdir():
        path.write_bytes(b"damaged")
    assert repr(evaluate(ITEMS, [system], plan).rows["true"]) == repr(first.rows["true"])


def test_without_true_bands_shuffled_is_what_was_made_for_another_voice():
    voices = [
        EvalItem(
            name=item.name, sheet=LeadSheet(), sample_rate=RATE,
            read_vocals=item.read_vocals, read_accompaniment=None,
        )
        for item in ITEMS
    ]  # fmt: skip
    bands = dict(zip([voice.name for voice in voices], ITEMS, strict=True))
    system = System(row="ours_vocal", make=lambda voice: right(bands[voice.name]))
    found = evaluate(voices, [system], Plan(workers=0, observer=NO_LATENTS))
    assert set(found.rows) == {"shuffled", "ours_vocal"}
    ours, shuffled = (np.mean(found.rows[r]["sung_in_chord"]) for r in ("ours_vocal", "shuffled"))
    assert ours > shuffled + 0.3
    assert np.isnan(found.rows["ours_vocal"]["chord_accuracy"]).all()


def test_processes_measure_the_same(evaluation):
    plan = Plan(workers=1, observer=NO_LATENTS)
    found = evaluate(ITEMS[:2], SYSTEMS[:1], plan)
    for metric in ("chord_accuracy", "beat_f1", "loudness_lufs"):
        assert found.rows["true"][metric] == evaluation.rows["true"][metric][:2]


def test_a_folder_without_manifest_is_named(tmp_path):
    from banso.errors import DataError

    with pytest.raises(DataError, match=r"manifest\.json"):
        load_items(tmp_path)


def test_a_song_that_fails_is_named():
    def fail(item):
        raise DataError("it is silent")

    items = [EvalItem(name=f"song {k}", sheet=LeadSheet(), sample_rate=8000,
                      read_vocals=lambda: np.zeros((1, 8000), np.float32),
                      read_accompaniment=None) for k in range(2)]  # fmt: skip
    with pytest.raises(DataError, match="song 0: it is silent"):
        evaluate(items, [System(row="ours_vocal", make=fail)], Plan(workers=0))
