"""Learn the table of `banso.harmony` from the scores of the training songs of POP909.

    python scripts/learn_harmony.py POP909_FOLDER

Takes songs of the split `train` only. For every half bar the label is the chord that sounds longest
in it. The melody's weights are those of a log-linear model (softmax), trained by Adam.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from banso.chord_path import NUM_AGES
from banso.chords import Chord, parse_chord
from banso.data.manifest import split_of
from banso.data.song import Song
from banso.data.sources.pop909 import read_corpus, read_song
from banso.errors import DataError
from banso.harmony import (
    KINDS,
    NUM_KEY_VIEWS,
    NUM_STATES,
    NUM_VIEWS,
    key_views,
    melody_views,
)
from banso.leadsheet import SungNote
from banso.measures import Measures, measures_of

TABLE = Path(__file__).parents[1] / "src" / "banso" / "tables" / "harmony.npz"


@dataclass(frozen=True)
class Lesson:
    """What one song teaches, seen from its tonic.

    `views` [units, 85] with a constant, `states` [units], -1 for none, `inside` [units], key.
    """

    mode: int
    key: int
    views: np.ndarray
    states: np.ndarray
    inside: np.ndarray
    key_views: np.ndarray


def main() -> None:
    """Learn and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    lessons = list(read_lessons(parser.parse_args().root))
    arrays = {"key": np.zeros((2, NUM_KEY_VIEWS * 12)), "key_bias": np.zeros(2)}
    arrays["key"], arrays["key_bias"] = learn_keys(lessons)
    arrays["melody"] = np.stack([learn_melody(lessons, mode) for mode in (0, 1)])
    arrays |= learn_progressions(lessons)
    np.savez_compressed(TABLE, **{n: a.astype(np.float16) for n, a in arrays.items()})
    print(f"{len(lessons)} songs; {TABLE} has {TABLE.stat().st_size} bytes")


def read_lessons(root: Path) -> Iterator[Lesson]:
    """Yield a lesson for every training song with a key."""
    for raw in read_corpus(root):
        if split_of(raw.song_id) != "train":
            continue
        try:
            song = read_song(raw)
        except DataError as error:
            print(error)
            continue
        if song.lead_sheet.key is not None:
            yield lesson_of(song)


def lesson_of(song: Song) -> Lesson:
    """Reduce a song to half bars."""
    sheet = song.lead_sheet
    key = parse_chord(sheet.key)
    mode, tonic = int(key.is_minor), key.root
    notes = [SungNote(n.start_seconds, n.end_seconds, float(n.pitch)) for n in song.melody]
    measures = measures_of(sheet, song.duration_seconds)
    views = np.roll(melody_views(notes, measures), -tonic, axis=2).reshape(-1, NUM_VIEWS * 12)
    states = chord_states(song, measures)
    relative = np.where(states < 0, -1, states // 12 * 12 + (states % 12 - tonic) % 12)
    return Lesson(
        mode=mode,
        key=tonic + 12 * mode,
        views=np.concatenate([views, np.ones((len(views), 1))], axis=1),
        states=relative,
        inside=measures.inside,
        key_views=key_views(notes, measures.beat_seconds),
    )


def chord_states(song: Song, measures: Measures) -> np.ndarray:
    """Return the state that sounds longest in every unit, counted from C; -1 for none."""
    seconds = np.zeros((len(measures.starts), NUM_STATES + 1))
    for span in song.lead_sheet.chords:
        state = state_of(parse_chord(span.label))
        overlap = np.minimum(measures.ends, span.end_seconds)
        overlap = overlap - np.maximum(measures.starts, span.start_seconds)
        seconds[:, state] += np.maximum(0, overlap)
    return np.where(seconds.argmax(axis=1) == NUM_STATES, -1, seconds.argmax(axis=1))


def state_of(chord: Chord) -> int:
    """Return the state nearest to a chord; the last column for none."""
    if chord.root is None:
        return -1
    tones = set(chord.intervals)
    if 4 in tones:
        kind = "maj7" if 11 in tones else "7" if 10 in tones else "maj"
    elif 3 in tones:
        kind = "dim" if 7 not in tones else "min7" if 10 in tones else "min"
    else:
        kind = "sus4" if 5 in tones else "sus2" if 2 in tones else "maj"
    return KINDS.index(kind) * 12 + chord.root


def learn_keys(lessons: list[Lesson], steps: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Learn profiles [2, 60] and biases [2] that tell the 24 keys apart."""
    turned = np.stack(
        [[np.roll(x.key_views, -t, axis=1).ravel() for t in range(12)] for x in lessons]
    )
    truth = np.eye(24)[[x.key for x in lessons]].reshape(-1, 2, 12)
    parameters = np.zeros((2, turned.shape[2] + 1))
    adam = Adam(parameters)
    for step in range(steps):
        scores = np.einsum("stf,mf->smt", turned, parameters[:, :-1]) + parameters[:, -1:]
        flat = scores.reshape(len(lessons), 24)
        share = np.exp(flat - np.logaddexp.reduce(flat, axis=1, keepdims=True))
        error = (share.reshape(-1, 2, 12) - truth) / len(lessons)
        gradient = np.concatenate(
            [np.einsum("smt,stf->mf", error, turned), error.sum(axis=(0, 2))[:, None]], axis=1
        )
        adam.step(gradient + 4e-4 * parameters, rate=0.3 * 0.5 ** (4 * step / steps))
    right = (flat.argmax(axis=1) == [x.key for x in lessons]).mean()
    print(f"keys: {right:.3f} of the training songs")
    return parameters[:, :-1], parameters[:, -1]


def learn_melody(lessons: list[Lesson], mode: int, epochs: int = 5) -> np.ndarray:
    """Learn the weights [85, 96] of a state given the melody around it."""
    chosen = [x for x in lessons if x.mode == mode]
    views = np.concatenate([x.views[x.states >= 0] for x in chosen])
    states = np.concatenate([x.states[x.states >= 0] for x in chosen])
    rng = np.random.default_rng(0)
    weights = np.zeros((views.shape[1], NUM_STATES))
    adam = Adam(weights)
    for epoch in range(epochs):
        order = rng.permutation(len(views))
        for first in range(0, len(order), 1024):
            rows = order[first : first + 1024]
            scores = views[rows] @ weights
            share = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
            share[np.arange(len(rows)), states[rows]] -= 1
            gradient = views[rows].T @ share / len(rows) + 2e-5 * weights
            adam.step(gradient, rate=0.03 * 0.5**epoch)
    print(f"melody: {len(views)} half bars, {((views @ weights).argmax(1) == states).mean():.3f}")
    return weights


def learn_progressions(lessons: list[Lesson]) -> dict[str, np.ndarray]:
    """Count states, changes and what follows what, smoothed towards how frequent states are."""
    prior = np.full((2, NUM_STATES), 0.1)
    follow = np.zeros((2, NUM_STATES, NUM_STATES))
    change, late = np.ones((2, 2, 2)), np.ones((2, 2))
    for lesson in lessons:
        m, states, age = lesson.mode, lesson.states, 1
        np.add.at(prior[m], states[states >= 0], 1)
        for place in range(1, len(states)):
            before, after = states[place - 1], states[place]
            if before >= 0 and after >= 0:
                change[m, lesson.inside[place], int(before != after)] += 1
                late[lesson.inside[place], int(before % 12 != after % 12)] += age >= NUM_AGES
                follow[m, before, after] += before != after
            age = age + 1 if before % 12 == after % 12 else 1
    prior /= prior.sum(axis=1, keepdims=True)
    follow += 10 * prior[:, None, :]
    follow /= follow.sum(axis=2, keepdims=True)
    change /= change.sum(axis=2, keepdims=True)
    late /= late.sum(axis=1, keepdims=True)
    return {
        "prior": np.log(prior),
        "transition": np.log(follow),
        "change": np.log(change),
        "change_late": np.log(late),
    }


class Adam:
    """Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1; changes its array in place."""

    def __init__(self, parameters: np.ndarray) -> None:
        self.parameters = parameters
        self.mean, self.square, self.count = 0 * parameters, 0 * parameters, 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        """Take one step against a gradient."""
        self.count += 1
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.001 * (gradient**2 - self.square)
        mean = self.mean / (1 - 0.9**self.count)
        square = self.square / (1 - 0.999**self.count)
        self.parameters -= rate * mean / (np.sqrt(square) + 1e-8)


if __name__ == "__main__":
    main()
