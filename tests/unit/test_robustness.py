"""Spoilt voices have the strength that their name says, and drops the right sign."""

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.gallery import Rendition
from banso.eval.robust_report import drops, write_robustness
from banso.eval.robustness import CLEAN, conditions, spoilt, with_noise
from banso.eval.scoring import METRICS, PROPERTIES
from banso.eval.sets import EvalItem
from banso.eval.suite import Evaluation
from banso.leadsheet import LeadSheet
from conftest import sing

pytestmark = pytest.mark.lab

VOICE = sing(2.0)[0]
BAND = np.random.default_rng(0).standard_normal((2, len(VOICE))).astype(np.float32) * 0.1
ITEM = EvalItem(
    name="song", sheet=LeadSheet(), sample_rate=44_100,
    read_vocals=lambda: VOICE[None], read_accompaniment=lambda: BAND,
)  # fmt: skip


def voice_of(name):
    heard = []

    def make(item, voice):
        heard.append(voice.samples[0])
        return Rendition(samples=BAND, sample_rate=44_100)

    spoilt(make, name)(ITEM)
    return heard[0]


@pytest.mark.parametrize("snr_db", [0, 10, 40])
def test_noise_is_exactly_as_strong_as_asked(snr_db):
    noise = with_noise(VOICE, snr_db, np.random.default_rng(3)) - VOICE
    measured = 10 * np.log10(np.mean(VOICE**2) / np.mean(noise**2))
    assert measured == pytest.approx(snr_db, abs=0.05)


def test_every_condition_but_the_clean_one_changes_the_voice_and_repeats_itself():
    assert next(iter(conditions())) == CLEAN
    np.testing.assert_allclose(voice_of(CLEAN), VOICE, atol=1e-6)
    for name in conditions():
        first = voice_of(name)
        assert first.shape == VOICE.shape
        assert np.abs(first).max() <= 0.98 + 1e-6
        np.testing.assert_array_equal(first, voice_of(name))
        if name != CLEAN:
            assert np.abs(first - VOICE).max() > 1e-4, name


def test_bleed_is_the_band_behind_the_voice():
    leaked = voice_of("bleed") - VOICE
    assert np.corrcoef(leaked, BAND.mean(axis=0))[0, 1] > 0.99


def test_drop_is_clean_minus_spoilt(tmp_path):
    rng = np.random.default_rng(0)
    level = {"true": 0.9, "shuffled": 0.1, CLEAN: 0.7, "noise 0 dB": 0.5, "room": 0.7}
    rows = {
        row: {name: (mean + rng.normal(0, 0.01, 8)).tolist() for name in (*METRICS, *PROPERTIES)}
        for row, mean in level.items()
    }
    evaluation = Evaluation(names=tuple("abcdefgh"), seed=0, rows=rows)
    found = drops(evaluation)["chord_accuracy"]
    assert set(found) == {"noise 0 dB", "room"}
    assert found["noise 0 dB"].score.estimate == pytest.approx(0.2, abs=0.02)
    assert found["noise 0 dB"].gap_closed.estimate == pytest.approx(0.25, abs=0.03)
    assert found["room"].score.low < 0 < found["room"].score.high
    text = write_robustness(evaluation, tmp_path)
    assert "| noise 0 dB | 0.2" in text
