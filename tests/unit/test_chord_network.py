import sys
from pathlib import Path

import numpy as np
import pytest

from banso.chord_network import NUM_VIEWS, SLOTS, ChordNetwork, melody_grid
from banso.onsets import SungEvents

HALF_BAR = 1.5


def melody(bars, transpose=0):
    """Events of a tune whose bars hold the given pitches, evenly spaced over two half bars."""
    seconds, pitches = [], []
    for bar, notes in enumerate(bars):
        for index, pitch in enumerate(notes):
            seconds.append((2 * bar + 2 * index / len(notes)) * HALF_BAR)
            pitches.append(pitch + transpose)
    start = np.array(seconds)
    end = np.append(start[1:], 2 * len(bars) * HALF_BAR) - 0.03
    return SungEvents(start, end, np.array(pitches, float), np.full(len(start), 0.5))


# I - vi - IV - V - I and once more, each bar on its chord's tones.
TUNE = [(60, 64, 67, 64), (69, 64, 60, 64), (65, 69, 60, 69), (67, 71, 62, 71)] * 4 + [(60, 64, 60)]
ROOTS = [0, 9, 5, 7] * 4 + [0]
BORDERS = np.arange(2 * len(TUNE) + 1) * HALF_BAR


def answer(transpose=0):
    grid = melody_grid(melody(TUNE, transpose), BORDERS)
    return ChordNetwork.shipped().log_probabilities(grid)


def test_a_tune_of_chord_tones_has_these_chords():
    found = answer().argmax(axis=1)
    wanted = np.repeat([root + 12 * (root == 9) for root in ROOTS], 2)
    assert np.mean(found == wanted) > 0.7


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_in_another_key_it_answers_the_same(semitones):
    here, there = answer(), answer(semitones)
    both = np.concatenate(
        [np.roll(here[:, :12], semitones, axis=1), np.roll(here[:, 12:], semitones, axis=1)], axis=1
    )
    np.testing.assert_allclose(there, both, atol=1e-3)
    np.testing.assert_allclose(np.exp(there).sum(axis=1), 1, atol=1e-5)


def test_a_long_song_is_heard_in_parts_that_agree():
    grid = melody_grid(melody(TUNE * 20), np.arange(2 * len(TUNE) * 20 + 1) * HALF_BAR)
    network = ChordNetwork.shipped()
    found = network.log_probabilities(grid).argmax(axis=1)
    alone = network.log_probabilities(grid[200:360]).argmax(axis=1)
    assert len(found) == len(grid)
    assert np.mean(found[220:340] == alone[20:140]) > 0.95


def test_nothing_sung_gives_an_even_answer():
    silent = np.zeros((8, 12, NUM_VIEWS), np.float32)
    found = np.exp(ChordNetwork.shipped().log_probabilities(silent))
    np.testing.assert_allclose(found[:, :12].std(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(found[:, 12:].std(axis=1), 0, atol=1e-4)


def test_the_grid_has_notes_at_their_sixteenths():
    events = SungEvents(np.array([0.0, 2.25]), np.array([0.75, 2.6]), np.array([60.0, 67.0]),
                        np.ones(2))  # fmt: skip
    grid = melody_grid(events, np.array([0.0, 1.5, 3.0]))
    assert grid.shape == (2, 12, NUM_VIEWS)
    np.testing.assert_array_equal(grid[0, 0, :SLOTS], [1, 1, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(np.flatnonzero(grid[0, 0, SLOTS:]), [0])
    np.testing.assert_array_equal(np.flatnonzero(grid[1, 7, SLOTS:]), [4])
    assert grid[0].sum() == 5
    assert not grid[1, :7].any()


@pytest.mark.lab
def test_numpy_computes_what_torch_trains():
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    learn = pytest.importorskip("learn_chords")
    torch.manual_seed(0)
    network = learn.Network().eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
            value.copy_(value.half().float())
    grid = np.random.default_rng(0).random((70, 12, NUM_VIEWS), dtype=np.float32)
    own = ChordNetwork({name: v.astype(np.float32) for name, v in network.arrays().items()})
    with torch.no_grad():
        wanted = network(torch.from_numpy(grid[None]))[0].log_softmax(dim=-1).numpy()
    np.testing.assert_allclose(own.log_probabilities(grid), wanted, atol=2e-3)
