"""Chord paths against all paths there are, tried one by one."""

import itertools

import numpy as np
import pytest

from banso.chord_path import NUM_AGES, Moves, best_path, state_beliefs

STATES = 24  # two kinds of chord


def problem(units, seed, only=None):
    """Evidence, start and moves; evidence outside `only` so low that nothing goes there."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(0, 1.0, (units, STATES))
    if only is not None:
        evidence[:, np.setdiff1d(np.arange(STATES), only)] = -50.0
    follow, start = rng.normal(-2, 1, (STATES, STATES)), rng.normal(-2, 1, STATES)
    changes = rng.normal(-1, 0.7, (2, 2, 2))
    return evidence, start, follow, changes, rng.integers(0, 2, units)


def score(path, evidence, start, follow, changes, places):
    total, age = start[path[0]] + evidence[0, path[0]], 1
    for unit, (before, after) in enumerate(itertools.pairwise(path), start=1):
        change, late = changes[places[unit]]
        old = age >= NUM_AGES
        if before == after:
            total += (late if old else change)[0]
        elif before % 12 == after % 12:
            total += follow[before, after] + (late[0] if old else change[1])
        else:
            total += follow[before, after] + (late if old else change)[1]
        age = age + 1 if before % 12 == after % 12 else 1
        total += evidence[unit, after]
    return total


@pytest.mark.parametrize("seed", range(6))
def test_the_best_path_is_the_best_of_all(seed):
    only = np.array([0, 12, 5])  # two kinds on one root, and another root
    evidence, start, follow, changes, places = problem(7, seed, only)
    changes[:, 0, 0] += 1.5  # roots last, so that ages are reached at which other rules hold
    moves = [Moves.of(follow, *own) for own in changes]
    paths = list(itertools.product(only.tolist(), repeat=7))
    scores = np.array([score(p, evidence, start, follow, changes, places) for p in paths])
    assert tuple(best_path(evidence, start, moves, places)) == paths[int(scores.argmax())]
    share = np.exp(scores - scores.max())
    share /= share.sum()
    wanted = np.zeros((7, STATES))
    for path, own in zip(paths, share, strict=True):
        wanted[np.arange(7), path] += own
    np.testing.assert_allclose(state_beliefs(evidence, start, moves, places), wanted, atol=1e-9)


def test_one_unit_is_told_by_itself():
    evidence, start, follow, changes, places = problem(1, 0)
    moves = [Moves.of(follow, *own) for own in changes]
    assert best_path(evidence, start, moves, places) == [(evidence[0] + start).argmax()]
    beliefs = state_beliefs(evidence, start, moves, places)
    assert beliefs.sum() == pytest.approx(1)


def test_a_root_is_left_once_it_has_lasted():
    evidence = np.zeros((8, STATES))
    follow = np.full((STATES, STATES), -1.0)
    start = np.where(np.arange(STATES) == 0, 0.0, -9.0)
    moves = [Moves.of(follow, np.array([0.0, -3.0]), np.array([-9.0, 0.0]))]
    path = best_path(evidence, start, moves, np.zeros(8, np.int64))
    roots = path % 12
    assert (roots[:NUM_AGES] == 0).all()
    assert roots[NUM_AGES] != 0
