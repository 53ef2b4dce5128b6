"""Bradley-Terry strengths are those of the textbook, and their intervals hold what they promise."""

import numpy as np
import pytest

from banso.eval.preferences import bradley_terry, prefer


def planted(strengths, games, rng):
    """Wins of systems with known strengths in so many games of each pair."""
    size = len(strengths)
    wins = np.zeros((size, size))
    for a in range(size):
        for b in range(a + 1, size):
            chance = 1 / (1 + np.exp(strengths[b] - strengths[a]))
            wins[a, b] = rng.binomial(games, chance)
            wins[b, a] = games - wins[a, b]
    return wins


def test_two_systems_have_the_log_odds_of_their_wins():
    strengths = bradley_terry(np.array([[0.0, 30.0], [10.0, 0.0]]))
    assert strengths[0] - strengths[1] == pytest.approx(np.log(3), abs=1e-6)


def test_expected_wins_are_the_observed_ones():
    # The likelihood equations: each system's wins are what its strength predicts.
    wins = planted(np.array([1.0, 0.2, -0.3, -0.9]), 40, np.random.default_rng(0))
    strengths = bradley_terry(wins)
    games = wins + wins.T
    predicted = games / (1 + np.exp(strengths[None] - strengths[:, None]))
    np.fill_diagonal(predicted, 0)
    assert np.allclose(predicted.sum(axis=1), wins.sum(axis=1), atol=1e-4)
    assert strengths.mean() == pytest.approx(0, abs=1e-9)


def test_many_tables_are_fitted_as_each_alone():
    rng = np.random.default_rng(1)
    tables = np.stack([planted(rng.normal(size=4), 30, rng) for _ in range(5)])
    together = bradley_terry(tables)
    assert np.allclose(together, [bradley_terry(table) for table in tables], atol=1e-6)


def test_planted_strengths_are_found():
    true = np.array([1.2, 0.4, -0.4, -1.2])
    found = bradley_terry(planted(true, 4000, np.random.default_rng(2)))
    assert np.allclose(found, true, atol=0.1)


def test_a_system_that_always_wins_stays_finite():
    tables = [np.array([[0.0, 1.0], [0.0, 0.0]])] * 5
    result = prefer(tables, against=1)
    assert 0.9 < result.over[0].estimate < 1
    assert result.wins.tolist() == [[0, 5], [0, 0]]


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    true = np.array([0.8, 0.0, -0.8])
    rng = np.random.default_rng(3)
    covered = []
    for repeat in range(60):
        # Four comparisons of each pair by each of 25 listeners.
        result = prefer([planted(true, 4, rng) for _ in range(25)], against=2, seed=repeat)
        covered += [i.low <= t <= i.high for i, t in zip(result.strengths, true, strict=True)]
    assert 0.85 <= np.mean(covered) <= 1


def test_equals_are_rarely_told_apart():
    rng = np.random.default_rng(4)
    alarms = []
    for repeat in range(40):
        result = prefer([planted(np.zeros(3), 4, rng) for _ in range(30)], against=0, seed=repeat)
        assert result.over[0].estimate == pytest.approx(0.5)
        alarms += [not i.low < 0.5 < i.high for i in result.over[1:]]
    assert np.mean(alarms) <= 0.15
