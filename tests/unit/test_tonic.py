"""The drifting tonic: scales are named right, in any key, drifting or not."""

import numpy as np
import pytest

from banso.leadsheet import SungNote
from banso.tonic import drifting_key_scores

# Ends on the tonic: do re mi fa sol la ti do, sol mi re ti do; with a minor counterpart.
MAJOR = (0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 2, -1, 0, 0)
MINOR = (0, 2, 3, 5, 7, 8, 7, 12, 7, 3, 2, 0, 0, 0)


def sung(degrees: tuple[int, ...], tonic: float, drift: float = 0.0) -> list[SungNote]:
    """A melody in half-second notes that goes sharp by `drift` semitones on the way."""
    slope = drift / (len(degrees) - 1)
    return [
        SungNote(i / 2, i / 2 + 0.45, 60 + tonic + degree + slope * i)
        for i, degree in enumerate(degrees)
    ]


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize(("degrees", "mode"), [(MAJOR, 0), (MINOR, 1)])
def test_key_of_a_melody_in_tune(tonic: int, degrees: tuple[int, ...], mode: int) -> None:
    scores = drifting_key_scores(sung(degrees, tonic))
    assert int(scores.argmax()) == tonic + 12 * mode


def test_a_drift_of_most_of_a_semitone_leaves_the_key() -> None:
    # From 0.35 below to 0.35 above C: pitch classes read off at 440 Hz are still right here ...
    steady = drifting_key_scores(sung(MAJOR * 3, 0.0))
    drifting = drifting_key_scores(sung(MAJOR * 3, -0.35, drift=0.7))
    assert int(drifting.argmax()) == int(steady.argmax()) == 0


def test_a_drift_through_a_whole_tone_is_named_by_its_middle() -> None:
    # ... and here they are right for none of the three keys, but for a third of the time each.
    scores = drifting_key_scores(sung(MAJOR * 4, -1.0, drift=2.0))
    assert int(scores.argmax()) == 0
    share = np.exp(scores)
    assert share[11] > 0.05
    assert share[1] > 0.05


def test_scores_are_probabilities_and_follow_transposition() -> None:
    notes = sung(MAJOR, 0.2)
    scores = drifting_key_scores(notes)
    assert np.exp(scores).sum() == pytest.approx(1.0)
    higher = drifting_key_scores(
        [SungNote(n.start_seconds, n.end_seconds, n.midi + 3) for n in notes]
    )
    np.testing.assert_allclose(np.roll(scores.reshape(2, 12), 3, axis=1).ravel(), higher, atol=1e-6)


def test_nothing_sung_says_nothing() -> None:
    np.testing.assert_allclose(np.exp(drifting_key_scores([])), 1 / 24)
