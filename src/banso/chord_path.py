"""The likeliest chords in a row, and how likely each is, if roots last as long as in songs.

States are kinds of chord on twelve roots, kind by kind. Beside its state a unit of time has an age:
how many units its root has lasted, counted up to `NUM_AGES`. From then on a root is left with a
probability of its own.

References:
    Rabiner 1989, Proc. IEEE 77(2), sections III (Viterbi, forward-backward) and IV.D (explicit
    durations of states).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Half bars that a root has lasted are counted up to so many: two bars.
NUM_AGES = 4
_NUM_ROOTS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Weighted log-probabilities of what comes after a state, at one place of the bar.

    Attributes:
        away: What follows on another root [states, states].
        on: What follows on the same root, by age, root, kind and next kind
            [NUM_AGES, 12, kinds, kinds].
        leave: Leaving a root, by its age [NUM_AGES].
    """

    away: Floats
    on: Floats
    leave: Floats

    @classmethod
    def of(cls, follow: Floats, change: Floats, late: Floats) -> Self:
        """Put moves together.

        Args:
            follow: What follows a state, itself aside [states, states].
            change: Staying and changing [2].
            late: The same of roots that have lasted `NUM_AGES` units or longer [2].
        """
        roots = np.arange(len(follow)) % _NUM_ROOTS
        away = np.where(roots[:, None] == roots, -np.inf, follow)
        by_age = np.array([change] * (NUM_AGES - 1) + [late])
        # Another kind of chord on the same root is a change, but the root stays.
        another = np.append(by_age[:-1, 1], late[0])
        kinds = follow.reshape(-1, _NUM_ROOTS, len(follow) // _NUM_ROOTS, _NUM_ROOTS)
        own = np.stack([kinds[:, root, :, root] for root in range(_NUM_ROOTS)])
        on = own + another[:, None, None, None]
        same = np.arange(on.shape[-1])
        on[..., same, same] = by_age[:, :1, None]
        return cls(away, on, by_age[:, 1])


def best_path(evidence: Floats, start: Floats, moves: Sequence[Moves], places: Ints) -> Ints:
    """Find the likeliest state of every unit [units].

    Args:
        evidence: Log-likelihood of every state in every unit [units, states].
        start: Log-probability of the first state [states].
        moves: By place of the bar.
        places: Of each unit; how it is come to [units].
    """
    num_units, num_states = evidence.shape
    score = np.full((NUM_AGES, num_states), -np.inf)
    score[0] = start + evidence[0]
    # Age and state that each comes from, as one small number: songs may last for hours.
    back = np.zeros((num_units, NUM_AGES, num_states), np.int16)
    ages, roots = np.arange(NUM_AGES)[:, None], np.arange(num_states) % _NUM_ROOTS
    for unit in range(1, num_units):
        move = moves[places[unit]]
        left = score + move.leave[:, None]
        options = left.max(axis=0)[:, None] + move.away
        before = options.argmax(axis=0)
        stayed = _by_root(score)[..., None] + move.on
        kind_before = _from_root(stayed.argmax(axis=2))
        origin = ages * num_states + kind_before * _NUM_ROOTS + roots
        stay = _from_root(stayed.max(axis=2))
        grows = stay[-2] >= stay[-1]
        back[unit, 0] = left.argmax(axis=0)[before] * num_states + before
        back[unit, 1:] = origin[:-1]
        back[unit, -1] = np.where(grows, origin[-2], origin[-1])
        score[0], score[1:] = options.max(axis=0), stay[:-1]
        score[-1] = np.where(grows, stay[-2], stay[-1])
        score += evidence[unit]
    path = [int(score.argmax())]
    for row in back.reshape(num_units, -1)[:0:-1]:
        path.append(int(row[path[-1]]))
    return np.array([place % num_states for place in reversed(path)], dtype=np.int64)


def state_beliefs(evidence: Floats, start: Floats, moves: Sequence[Moves], places: Ints) -> Floats:
    """Return the probability of every state in every unit [units, states]; as `best_path`."""
    seen = np.exp(evidence - evidence.max(axis=1, keepdims=True)) + 1e-300
    steps = [Moves(np.exp(move.away), np.exp(move.on), np.exp(move.leave)) for move in moves]
    forward = np.zeros((len(seen), NUM_AGES, evidence.shape[1]))
    forward[0, 0] = seen[0] * np.exp(start)
    forward[0] /= forward[0].sum()
    for unit in range(1, len(seen)):
        step, before, now = steps[places[unit]], forward[unit - 1], forward[unit]
        stay = _from_root((_by_root(before)[:, :, None] @ step.on)[:, :, 0])
        now[0] = (step.leave @ before) @ step.away
        now[1:] = stay[:-1]
        now[-1] += stay[-1]
        now *= seen[unit]
        now /= now.sum()
    beliefs, backward = np.zeros_like(seen), np.ones(forward.shape[1:])
    beliefs[-1] = forward[-1].sum(axis=0)
    for unit in range(len(seen) - 2, -1, -1):
        step, after = steps[places[unit + 1]], backward * seen[unit + 1]
        older = _by_root(np.concatenate([after[1:], after[-1:]]))
        stay = _from_root((step.on @ older[..., None])[..., 0])
        backward = step.leave[:, None] * (step.away @ after[0]) + stay
        backward /= backward.sum()
        beliefs[unit] = (forward[unit] * backward).sum(axis=0)
    return np.asarray(beliefs / beliefs.sum(axis=1, keepdims=True))


def _by_root(rows: Floats) -> Floats:
    """Turn states [ages, states] to [ages, 12, kinds]."""
    return rows.reshape(len(rows), -1, _NUM_ROOTS).swapaxes(1, 2)


def _from_root(rows: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn [ages, 12, kinds] back to states [ages, states]."""
    return rows.swapaxes(1, 2).reshape(len(rows), -1)
