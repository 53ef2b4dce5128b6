"""Readings of the beats are told apart by how sure their chords are."""

import numpy as np
import pytest

from banso.leadsheet import LeadSheet
from banso.measures import Measures
from banso.pulse import Pulse
from banso.readings import Reading, ranked, together

SECONDS = 12.0


def reading(bpm, sure, chord=0, log_probability=-1.0):
    """Half bars at a tempo, all with one triad of some probability, the others alike."""
    half = 120 / bpm
    starts = np.arange(0, SECONDS - 1e-9, half)
    probability = np.full((len(starts), 24), (1 - sure) / 23)
    probability[:, chord] = sure
    beats = np.arange(0, SECONDS, half / 2)
    return Reading(
        Pulse(beats, beats[::4], 0.5, bpm, (), log_probability),
        LeadSheet(beats=tuple(beats), downbeats=tuple(beats[::4])),
        Measures(
            starts=starts,
            ends=np.append(starts[1:], SECONDS),
            inside=np.arange(len(starts)) % 2,
            beat_seconds=half / 2,
        ),
        np.log(probability),
    )


def test_of_equal_readings_the_one_with_surer_chords_wins():
    doubtful, sure = reading(80, 0.4), reading(80, 0.9)
    assert ranked([doubtful, sure])[0] is sure


def test_onsets_still_count():
    likely, sure = reading(80, 0.4, log_probability=0.0), reading(80, 0.9, log_probability=-4.0)
    assert ranked([sure, likely])[0] is likely


def test_of_tempi_that_are_alike_the_slower_one_wins():
    slow, fast = reading(60, 0.6), reading(120, 0.6)
    assert ranked([fast, slow])[0] is slow


def test_without_beats_there_is_one_reading():
    found = reading(60, 0.6)
    blind = Reading(None, LeadSheet(), found.measures, found.log_probabilities)
    assert ranked([blind]) == [blind]
    np.testing.assert_allclose(together([blind]), blind.log_probabilities, atol=1e-6)


@pytest.mark.parametrize("other_bpm", [30, 90, 120])
def test_what_others_say_is_weighed_by_how_likely_they_are(other_bpm):
    first, other = reading(60, 0.9, chord=3), reading(other_bpm, 0.6, chord=7)
    both = ranked([other, first])
    assert both[0] is first
    found = np.exp(together(both))
    weight = 1 / (1 + np.exp(other.likelihood - first.likelihood))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    rest = 0.4 / 23 * (1 - weight)
    np.testing.assert_allclose(found[:, 3], 0.9 * weight + rest, atol=1e-6)
    rest = 0.1 / 23 * weight
    np.testing.assert_allclose(found[:, 7], 0.6 * (1 - weight) + rest, atol=1e-6)


def test_chords_of_another_reading_are_heard_when_they_sound():
    first = reading(60, 0.5)
    other = reading(60, 0.5)
    late = np.full_like(other.log_probabilities, np.log(0.1 / 23))
    late[:, 1] = np.log(0.9)
    late[0] = np.log(1 / 24)
    other = Reading(other.pulse, other.grid, other.measures, late)
    found = np.exp(together([first, other]))
    assert found[0, 1] < 0.1
    assert (found[1:, 1] > 0.3).all()
