"""The cents of a recording's loudest tones, told in the order of their loudness."""

import numpy as np
import pytest

from banso import runtime
from banso.bundle import load_bundle
from banso.codec.analysis import analyze
from banso.codec.bends import NUM_BENDS, bent, missing_bends
from banso.codec.parameters import MAX_CENTS, NUM_PARAMETERS, SAMPLE_RATE, Parameters

CENTS = slice(192, 288)


def frames(seed, count=12):
    return np.random.default_rng(seed).uniform(0, 1, (count, NUM_PARAMETERS)).astype(np.float32)


def loudest(packed):
    levels = packed[:, :96] + packed[:, 96:192]
    return np.argsort(-levels, axis=1)[:, :NUM_BENDS]


def test_the_loudest_tones_get_the_cents_they_had():
    wanted, read = frames(0), frames(1)
    got = bent(read, missing_bends(wanted, read))
    tones = loudest(read)
    true, found = (np.take_along_axis(rows[:, CENTS], tones, 1) for rows in (wanted, got))
    np.testing.assert_allclose(found, true, atol=1e-6)


def test_nothing_else_changes():
    wanted, read = frames(2), frames(3)
    before = read.copy()
    got = bent(read, missing_bends(wanted, read))
    np.testing.assert_array_equal(read, before)
    changed = got != read
    assert not changed[:, : CENTS.start].any()
    assert not changed[:, CENTS.stop :].any()
    assert changed.sum() == len(read) * NUM_BENDS


def test_silence_is_bent_by_nothing():
    silence = np.zeros((3, NUM_PARAMETERS), np.float32)
    np.testing.assert_array_equal(bent(silence, missing_bends(silence, silence)), silence)


@pytest.mark.parametrize("cents", [-35.0, 20.0])
def test_the_shipped_codec_keeps_a_mistuned_chord_where_it_is(cents):
    seconds, hz = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE, 440 * 2 ** (cents / 1200)
    chord = sum(0.1 * np.sin(2 * np.pi * hz * ratio * seconds) for ratio in (1, 1.25, 1.5, 2))
    waveform = np.stack([chord, chord]).astype(np.float32)
    codec = runtime.load_codec(load_bundle())

    def off(own_detail):
        heard = analyze(codec.roundtrip(waveform, own_detail=own_detail))
        return _distance(heard, analyze(waveform))

    assert off(True) < 3
    assert off(True) < off(False)


def _distance(heard: Parameters, wanted: Parameters) -> float:
    """Median distance of the cents of loud tones, away from the edges."""
    levels = wanted.tone_level.mean(axis=1)
    loud = levels > 0.7 * levels.max()
    loud[:4] = loud[-4:] = False
    assert MAX_CENTS > np.abs(wanted.tone_cents[loud]).max() > 10
    return float(np.median(np.abs(heard.tone_cents - wanted.tone_cents)[loud]))
