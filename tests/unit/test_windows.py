import numpy as np
import pytest

from banso.windows import Window, overlap_add, plan_windows


def test_plan_of_a_long_song():
    assert plan_windows(2000, 1024, 256) == (
        Window(0, 1024, 0),
        Window(768, 1792, 256),
        Window(976, 2000, 816),
    )


def test_short_song_is_one_window():
    assert plan_windows(1, 1024, 256) == (Window(0, 1, 0),)
    assert plan_windows(1024, 1024, 256) == (Window(0, 1024, 0),)


@pytest.mark.parametrize("numbers", [(0, 8, 2), (9, 8, 8), (9, 8, -1)])
def test_impossible_plans(numbers):
    with pytest.raises(ValueError, match="no plan"):
        plan_windows(*numbers)


def test_fade_is_linear():
    ones, zeros = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)
    joined = overlap_add([(0, ones), (1, zeros)], 5)
    np.testing.assert_allclose(joined[:, 0], [1, 0.75, 0.5, 0.25, 0])


@pytest.mark.parametrize("starts", [(0, 5), (1, 4), (0, 0)])
def test_gaps_and_repeats_are_mistakes(starts):
    piece = np.zeros((4, 1), np.float32)
    with pytest.raises(ValueError, match="piece"):
        overlap_add([(start, piece) for start in starts], 8)


def test_what_a_window_forgets_the_next_one_writes():
    assert plan_windows(2000, 1024, 256, 64) == (
        Window(0, 1024, 0, 64),
        Window(704, 1728, 256, 64),
        Window(976, 2000, 688),
    )
