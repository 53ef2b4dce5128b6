"""Statistics over items, on numbers worked out by hand."""

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.statistics import derangement, gap_closed, mean_interval, p_greater, separation

pytestmark = pytest.mark.lab

RNG = np.random.default_rng(0)
SHUFFLED = RNG.normal(0.2, 0.05, 40)
TRUE = RNG.normal(1.0, 0.02, 40)


def test_gap_closed_is_the_share_of_the_way():
    halfway = (TRUE + SHUFFLED) / 2
    gap = gap_closed(TRUE, halfway, SHUFFLED)
    assert gap.estimate == pytest.approx(0.5)
    assert gap_closed(TRUE, TRUE, SHUFFLED).estimate == 1
    assert gap_closed(TRUE, SHUFFLED, SHUFFLED).estimate == 0


def test_gap_interval_holds_the_estimate_and_repeats_with_the_seed():
    ours = TRUE - np.abs(RNG.normal(0.2, 0.2, 40))
    first, second = (gap_closed(TRUE, ours, SHUFFLED, seed=3) for _ in range(2))
    assert first == second
    assert first.low < first.estimate < first.high
    assert gap_closed(TRUE, ours, SHUFFLED, seed=4) != first


def test_mean_interval_is_about_two_standard_errors_wide():
    values = RNG.normal(0, 1, 400)
    interval = mean_interval(values)
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(4 * 0.05 * 0.98, rel=0.15)


def test_items_that_could_not_be_measured_are_left_out():
    assert mean_interval([1.0, np.nan, 3.0]).estimate == 2
    assert gap_closed([1, 1], [0.5, np.nan], [0, 0]).estimate == 0.5
    assert np.isnan(gap_closed([np.nan], [1], [0]).estimate)


def test_p_value_is_exact_for_few_items():
    assert p_greater([2, 3, 4], [1, 1, 1]) == 1 / 8
    assert p_greater([1, 1, 1], [2, 3, 4]) == 1
    assert p_greater([1, 2], [1, 2]) == 1


def test_p_value_by_sampling_is_small_only_when_ours_wins():
    assert p_greater(TRUE, SHUFFLED) == pytest.approx(1e-4, rel=0.01)
    assert p_greater(SHUFFLED, TRUE) > 0.99
    noise = RNG.normal(0, 1, (2, 200))
    assert 0.001 < p_greater(*noise) < 0.999


def test_separation_counts_pairs():
    assert separation([3, 4], [1, 2]) == 1
    assert separation([1, 3], [2, np.nan]) == 0.5
    assert separation([1, 1], [1]) == 0.5
    assert np.isnan(separation([np.nan], [1]))


@pytest.mark.parametrize("num_items", [2, 3, 12, 41])
def test_a_derangement_leaves_nobody_in_place(num_items):
    partner = derangement(num_items, seed=1)
    assert sorted(partner) == list(range(num_items))
    assert all(own != other for own, other in enumerate(partner))
    assert partner == derangement(num_items, seed=1)


def test_one_item_cannot_be_shuffled():
    with pytest.raises(ValueError, match="at least 2"):
        derangement(1, seed=0)
