"""Key figures on synthesised bands whose key, beats and faults are known."""

import json

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.errors import AudioError
from banso.eval.charts import interval_chart
from banso.eval.cost import Cost
from banso.eval.gallery import Rendition
from banso.eval.hearing import hear
from banso.eval.kpi import beat_lock_rate, forgiving, in_key_rate, key_figures, write_kpis
from banso.eval.near_copies import NearCopies, Neighbour
from banso.eval.observation import Observer
from banso.eval.sets import EvalItem
from banso.eval.statistics import Interval
from banso.eval.suite import Plan, System, evaluate
from banso.leadsheet import LeadSheet, SungNote

pytestmark = pytest.mark.lab

RATE, SECONDS = 22050, 8
TIME = np.arange(SECONDS * RATE) / RATE
C_MAJOR = np.zeros(12)
C_MAJOR[[0, 2, 4, 5, 7, 9, 11]] = (4, 2, 3, 2, 3, 2, 1)
BEATS = np.arange(0.5, SECONDS, 0.5)


def chord(*midi):
    return sum(0.1 * np.sin(2 * np.pi * 440 * 2 ** ((m - 69) / 12) * TIME) for m in midi)


def clicks(times):
    out = np.zeros(len(TIME))
    burst = 0.4 * np.random.default_rng(0).standard_normal(800) * np.exp(-np.arange(800) / 120)
    for start in (np.asarray(times) * RATE).astype(int):
        out[start : start + 800] += burst[: len(out) - start]
    return out


def heard(wave):
    return hear(wave.astype(np.float32), RATE)


def test_in_key_rate_is_the_share_on_the_scale():
    assert in_key_rate(heard(chord(60, 64, 67)), C_MAJOR) > 0.97
    assert in_key_rate(heard(chord(61, 66, 70)), C_MAJOR) < 0.05
    assert 0.4 < in_key_rate(heard(chord(60, 61)), C_MAJOR) < 0.6
    assert in_key_rate(heard(np.zeros(len(TIME))), C_MAJOR) == 0
    assert np.isnan(in_key_rate(heard(chord(60)), np.zeros(12)))


def test_beat_lock_rate_is_the_share_of_beats_marked():
    assert beat_lock_rate(heard(clicks(BEATS)), BEATS) > 0.9
    assert beat_lock_rate(heard(clicks(BEATS + 0.25)), BEATS) < 0.2
    assert beat_lock_rate(heard(np.zeros(len(TIME))), BEATS) == 0
    assert np.isnan(beat_lock_rate(heard(clicks(BEATS)), BEATS[:1]))


def make_item(index):
    band = chord(48 + 5 * index, 52 + 5 * index, 55 + 5 * index) + clicks(BEATS + 0.05 * index)
    voice = chord(60 + 5 * index)
    return EvalItem(
        name=f"song {index}",
        sheet=LeadSheet(
            beats=tuple((BEATS + 0.05 * index).tolist()),
            notes=(SungNote(0.0, 4.0, 60.0 + 5 * index), SungNote(4.0, 8.0, 64.0 + 5 * index)),
        ),
        sample_rate=RATE,
        read_vocals=lambda: voice[None].astype(np.float32),
        read_accompaniment=lambda: np.stack([band, band]).astype(np.float32),
    )


def test_inputs_that_fail_are_counted_and_told(tmp_path):
    items = [make_item(index) for index in range(4)]

    def make(item):
        if item.name == "song 1":
            raise AudioError("no")
        samples = item.read_accompaniment()
        if item.name == "song 2":
            samples = samples * (TIME < 4)
        return Rendition(samples=samples, sample_rate=RATE)

    failed = set()
    system = forgiving(System(row="ours_auto", make=make), failed)
    plan = Plan(workers=0, observer=Observer(with_latents=False))
    evaluation = evaluate(items, [system], plan)
    cost = Cost(
        music_seconds=30, load_seconds=1, clock_seconds=2, cpu_seconds=3, peak_mib=300,
        machine="test",
    )  # fmt: skip
    copies = NearCopies(threshold=0.5, nearest=(Neighbour("a", 0.6, 0), Neighbour("b", 0.1, 0)))
    kpis = key_figures(evaluation, items, failed=failed, costs=[cost], copies=copies)
    assert failed == {"song 1"}
    assert kpis.reasons["error"] == 1
    assert kpis.reasons["silent"] == 2
    assert kpis.retries["ours_auto"].estimate >= 0.5
    assert kpis.retries["true"].estimate == 0
    assert kpis.beat_lock["true"].estimate > 0.9
    text = write_kpis(kpis, evaluation, tmp_path)
    assert "| clock seconds per minute of music | 4.00 (median of 1; test) |" in text
    assert "| peak memory | 300 MiB |" in text
    assert "0.500 (nearest 0.600, threshold 0.500)" in text
    assert json.loads((tmp_path / "kpi.json").read_text())["near_copy_rate"] == 0.5


def test_a_chart_places_means_on_its_axis():
    chart = interval_chart(
        {"low & slow": Interval(0.0, 0.0, 0.1), "high": Interval(1.0, 0.9, 1.0)},
        {"high": [0.5, float("nan")]},
        limits=(0, 1),
    )
    assert chart.count('class="mean"') == 2
    assert chart.count('class="item"') == 1
    assert "low &amp; slow" in chart
    assert 'cx="150.0"' in chart
    assert 'cx="700.0"' in chart
    assert interval_chart({"nothing": Interval(*[float("nan")] * 3)}) == ""
