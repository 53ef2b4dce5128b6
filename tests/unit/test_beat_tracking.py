"""Beats of bands that stress everything but the beat."""

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.beat_tracking import find_period, track_beats
from banso.eval.hearing import ANALYSIS_RATE, ONSET_HOP, hear
from banso.eval.metrics import heard_beat_f1

pytestmark = pytest.mark.lab

RATE = 22_050
SECONDS = 24
TIME = np.arange(SECONDS * RATE) / RATE
CHORDS = ((48, 60, 64, 67), (45, 57, 60, 64), (41, 57, 60, 65), (43, 59, 62, 67))


def hits(times, hertz, level=0.5):
    out = np.zeros(len(TIME))
    for start in times:
        since = TIME - start
        here = (since >= 0) & (since < 0.08)
        out[here] += level * np.sin(2 * np.pi * hertz * since[here]) * np.exp(-since[here] * 40)
    return out


def pads(beat_seconds):
    """Soft chords, a new one every second beat; they strike nothing."""
    out = np.zeros(len(TIME))
    for index in range(int(SECONDS / (2 * beat_seconds)) + 1):
        since = TIME - 2 * index * beat_seconds
        inside = np.clip(since * 30, 0, 1) * np.clip((2 * beat_seconds - since) * 30, 0, 1)
        for midi in CHORDS[index % 4]:
            hertz = 440 * 2 ** ((midi - 69) / 12)
            out += 0.05 * inside * np.sin(2 * np.pi * hertz * TIME)
    return out


@pytest.mark.parametrize("tempo", [66.3, 97.0, 128.1])
def test_drums_on_the_off_beat_do_not_turn_the_beat_around(tempo):
    step = 60 / tempo
    beats = np.arange(0, SECONDS, step)
    drums = hits(beats[:-1] + step / 2, 1800, 1.0) + hits(beats, 1800, 0.7)
    heard = hear((drums + pads(step)).astype(np.float32), RATE)
    assert heard_beat_f1(beats, heard) > 0.95
    assert heard_beat_f1(beats + step / 2, heard) < 0.1


def test_chords_between_the_beats_do_not_turn_it_around_where_nothing_is_struck():
    beats = np.arange(0.25, SECONDS, 0.5)
    heard = hear((hits(beats, 1800) + pads(0.5)).astype(np.float32), RATE)
    assert heard_beat_f1(beats, heard) > 0.95


def test_the_chain_follows_a_tempo_that_moves():
    steps = np.linspace(0.48, 0.54, 60)
    beats = np.cumsum(steps)[np.cumsum(steps) < SECONDS]
    heard = hear(hits(beats, 900).astype(np.float32), RATE)
    assert heard_beat_f1(beats, heard) > 0.95


def test_the_period_is_finer_than_a_frame():
    frame_rate = ANALYSIS_RATE / ONSET_HOP
    heard = hear(hits(np.arange(0, SECONDS, 60 / 128.1), 900).astype(np.float32), RATE)
    period = find_period(heard.onset_strength.astype(np.float64), 120.0)
    assert 60 * frame_rate / period == pytest.approx(128.1, rel=0.003)


def test_what_is_short_or_silent_has_no_beats():
    assert track_beats(hear(np.zeros((1, 8 * RATE), np.float32), RATE)).size == 0
    assert track_beats(hear(hits([0.2, 0.7], 900)[:RATE].astype(np.float32), RATE)).size == 0
