import sys
from pathlib import Path

import numpy as np
import pytest

from banso.chord_network import melody_grid
from banso.keyed_network import KeyedNetwork, packed, signature_shares, unpacked
from banso.onsets import SungEvents

HALF_BAR = 1.5
# I - vi - IV - V - I and once more, each bar on its chord's tones.
TUNE = [(60, 64, 67, 64), (69, 64, 60, 64), (65, 69, 60, 69), (67, 71, 62, 71)] * 4 + [(60, 64, 60)]
ROOTS = [0, 9, 5, 7] * 4 + [0]
INSIDE = np.tile([0, 1], len(TUNE))


def grid_of(bars, transpose=0):
    rows = [
        ((2 * bar + 2 * place / len(notes)) * HALF_BAR, pitch + transpose)
        for bar, notes in enumerate(bars)
        for place, pitch in enumerate(notes)
    ]
    start, pitch = np.array(rows, float).T
    end = np.append(start[1:], 2 * len(bars) * HALF_BAR) - 0.03
    events = SungEvents(start, end, pitch, np.ones(len(start)))
    return melody_grid(events, np.arange(2 * len(bars) + 1) * HALF_BAR)


def sure_of(key):
    return np.where(np.arange(24) == key, 0.0, -1e3)


def test_a_tune_of_chord_tones_has_these_chords():
    log = KeyedNetwork.shipped().log_probabilities(grid_of(TUNE), INSIDE, sure_of(0))
    wanted = np.repeat([root + 12 * (root == 9) for root in ROOTS], 2)
    assert np.mean(log.argmax(axis=1) == wanted) > 0.7
    np.testing.assert_allclose(np.exp(log).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_in_another_key_it_answers_the_same(semitones):
    network = KeyedNetwork.shipped()
    here = network.log_probabilities(grid_of(TUNE), INSIDE, sure_of(0))
    there = network.log_probabilities(grid_of(TUNE, semitones), INSIDE, sure_of(semitones))
    turned = np.roll(here.reshape(-1, 2, 12), semitones, axis=2).reshape(-1, 24)
    np.testing.assert_allclose(there, turned, atol=1e-4)


def test_a_minor_key_is_heard_by_its_signature():
    network = KeyedNetwork.shipped()
    major = network.log_probabilities(grid_of(TUNE), INSIDE, sure_of(3))
    minor = network.log_probabilities(grid_of(TUNE), INSIDE, sure_of(12))  # C minor
    np.testing.assert_allclose(major, minor, atol=1e-9)


def test_a_doubtful_key_mixes_the_answers():
    network = KeyedNetwork.shipped()
    keys = np.full(24, -1e3)
    keys[[0, 7]] = 0.0
    both = np.exp(network.log_probabilities(grid_of(TUNE), INSIDE, keys))
    each = [np.exp(network.log_probabilities(grid_of(TUNE), INSIDE, sure_of(k))) for k in (0, 7)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-6)
    assert signature_shares(keys)[[0, 7]] == pytest.approx([0.5, 0.5])


def test_even_without_any_idea_of_the_key_there_is_an_answer():
    log = KeyedNetwork.shipped().log_probabilities(grid_of(TUNE), INSIDE, np.zeros(24))
    assert np.isfinite(log).all()


def test_a_long_song_is_heard_in_parts_that_agree():
    grid, inside = grid_of(TUNE * 20), np.tile(INSIDE, 20)
    network = KeyedNetwork.shipped()
    found = network.log_probabilities(grid, inside, sure_of(0)).argmax(axis=1)
    alone = network.log_probabilities(grid[200:360], inside[200:360], sure_of(0)).argmax(axis=1)
    assert np.mean(found[220:340] == alone[20:140]) > 0.9


def test_packing_costs_at_most_half_a_step():
    rng = np.random.default_rng(0)
    weights = {
        "embed": rng.standard_normal((193, 96)).astype(np.float32),
        "norm": rng.standard_normal(96).astype(np.float32),
    }
    back = unpacked(packed(weights))
    assert packed(weights)["embed"].dtype == np.int8
    limit = np.abs(weights["embed"]).max(axis=0) / 254 + 1e-6
    assert (np.abs(back["embed"] - weights["embed"]) <= limit).all()
    np.testing.assert_allclose(back["norm"], weights["norm"], rtol=1e-3)


@pytest.mark.lab
def test_numpy_computes_what_torch_trains():
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    learn = pytest.importorskip("learn_keyed_chords")
    torch.manual_seed(0)
    network = learn.Network(48, 2, 0.2).eval()
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
        grid = grid_of(TUNE)
        wanted = network(torch.from_numpy(grid)[None], torch.from_numpy(INSIDE).float()[None])[0]
        wanted = torch.log_softmax(wanted[:, :24], dim=1).numpy()
    found = KeyedNetwork([network.arrays()]).log_probabilities(grid, INSIDE, sure_of(0))
    np.testing.assert_allclose(found, wanted, atol=1e-3)
