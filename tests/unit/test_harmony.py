"""The harmoniser: plain melodies get plain chords, in every key alike; what is given stays."""

import numpy as np
import pytest

from banso.chords import parse_chord, transpose_label
from banso.harmony import (
    HarmonyWeights,
    chord_key_scores,
    harmonise,
    key_name,
    key_scores,
    load_table,
    melody_views,
    pitch_lengths,
)
from banso.leadsheet import LeadSheet, SungNote
from banso.measures import covering, measures_of

CHORDS = ("C:maj", "F:maj", "G:maj", "C:maj", "A:min", "F:maj", "G:maj", "C:maj")


def grid(num_bars, bpm=120.0, meter=4):
    beats = tuple(60 / bpm * index for index in range(num_bars * meter))
    return LeadSheet(beats=beats, downbeats=beats[::meter])


def arpeggios(chords, up=0):
    """One bar of each chord's tones, a quarter note each, at 120 bpm."""
    notes = []
    for bar, label in enumerate(chords):
        tones = parse_chord(label).pitch_classes
        for beat in range(4):
            start = 2.0 * bar + 0.5 * beat
            midi = 60.0 + (tones[beat % 3]) + up
            notes.append(SungNote(start, start + 0.48, midi))
    return notes


def roots(labels):
    return [(parse_chord(label).root, parse_chord(label).is_minor) for label in labels]


MEASURES = measures_of(grid(8), 16.0)


def test_arpeggios_get_their_chords():
    harmony = harmonise(arpeggios(CHORDS), MEASURES, 0)
    assert roots(harmony.labels[::2]) == roots(CHORDS)


@pytest.mark.parametrize("up", range(1, 12))
def test_every_key_is_like_every_other(up):
    plain = harmonise(arpeggios(CHORDS), MEASURES, 0)
    moved = harmonise(arpeggios(CHORDS, up), MEASURES, up)
    assert list(moved.labels) == [transpose_label(label, up) for label in plain.labels]


def test_finds_the_key():
    table = load_table()
    for up in range(12):
        scores = key_scores(arpeggios(CHORDS, up), 0.5, table)
        assert key_name(int(scores.argmax())) == transpose_label("C:maj", up)
        assert np.exp(scores).sum() == pytest.approx(1)


def test_chords_tell_the_key_too():
    given = [parse_chord(label) for label in CHORDS for _ in range(2)]
    scores = chord_key_scores(None, given, MEASURES, load_table())
    assert key_name(int(scores.argmax())) == "C:maj"
    minor = [parse_chord(transpose_label(c, 4)) for c in ("A:min", "D:min", "E:maj", "A:min") * 4]
    scores = chord_key_scores(None, minor, MEASURES, load_table())
    assert key_name(int(scores.argmax())) == "C#:min"


def test_given_chords_stay_and_lead_their_neighbours():
    fixed = [None] * 16
    fixed[4] = parse_chord("E:7")
    harmony = harmonise(arpeggios(CHORDS), MEASURES, 0, fixed=fixed)
    assert harmony.labels[4] == "E:7"
    assert harmony.choices[4][0].probability == pytest.approx(1, abs=1e-6)


def test_a_sure_network_is_followed():
    opinion = np.full((16, 24), -20.0)
    opinion[:, 12 + 9] = 0
    sure = HarmonyWeights(network=5.0)
    harmony = harmonise(arpeggios(CHORDS), MEASURES, 0, opinion=opinion, weights=sure)
    assert set(roots(harmony.labels)) == {(9, True)}


def test_choices_are_probabilities_best_first():
    harmony = harmonise(arpeggios(CHORDS), MEASURES, 0, num_choices=5)
    for choices in harmony.choices:
        probabilities = [choice.probability for choice in choices]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1 + 1e-9
        assert len({choice.label for choice in choices}) == 5


def test_repeated_melodies_share_their_evidence():
    # The second time the third bar is not sung; what it was before tells what it is.
    notes = [n for n in arpeggios(CHORDS[:4] * 2) if not 12 <= n.start_seconds < 13]
    loose = harmonise(notes, MEASURES, 0, weights=HarmonyWeights(repetition=0.0))
    bound = harmonise(notes, MEASURES, 0, weights=HarmonyWeights(repetition=1.0))
    first = roots(bound.labels)[4]
    chance = [
        sum(c.probability for c in h.choices[12] if roots([c.label]) == [first])
        for h in (loose, bound)
    ]
    assert chance[1] > chance[0]


def test_without_any_notes_there_are_chords_of_the_key():
    harmony = harmonise((), MEASURES, 7)
    assert len(harmony.labels) == 16
    assert all(parse_chord(label).root in (7, 9, 11, 0, 2, 4, 6) for label in harmony.labels)


def test_views_add_up():
    notes = arpeggios(CHORDS)
    lengths = pitch_lengths(notes, MEASURES)
    assert lengths.sum() == pytest.approx(32 * 0.96)
    views = melody_views(notes, MEASURES)
    assert np.square(views[:, 0]).sum(axis=1) == pytest.approx(np.ones(16))
    assert np.array_equal(views[1:, 1], views[:-1, 0])
    assert views[:, 5].argmax(axis=1).tolist()[0] == 0


def test_half_bars_and_odd_bars():
    assert MEASURES.starts.tolist() == [float(index) for index in range(16)]
    assert MEASURES.inside.tolist() == [0, 1] * 8
    waltz = measures_of(grid(4, meter=3), 6.0)
    assert waltz.starts.tolist() == [0.0, 1.5, 3.0, 4.5]
    assert waltz.inside.tolist() == [0, 0, 0, 0]


def test_pickups_and_blind_songs():
    beats = tuple(0.3 + 0.5 * index for index in range(9))
    measures = measures_of(LeadSheet(beats=beats, downbeats=beats[1::4]), 6.0)
    assert measures.starts == pytest.approx([0.0, 0.8, 1.8, 2.8, 3.8])
    assert measures.inside.tolist() == [1, 0, 1, 0, 1]
    assert measures.ends[-1] == 6.0
    blind = measures_of(LeadSheet(), 5.0)
    assert blind.starts.tolist() == [0.0, 2.0, 4.0]
    assert blind.ends[-1] == 5.0


def test_grids_go_on_to_both_ends():
    sheet = LeadSheet(beats=(2.0, 2.5, 3.0, 3.5, 4.0), downbeats=(2.5,))
    whole = covering(sheet, 6.0)
    assert whole.beats == pytest.approx([0.5 * index for index in range(12)])
    assert whole.downbeats == pytest.approx((0.5, 2.5, 4.5))
    assert set(sheet.beats) <= set(whole.beats)


def longest_root_bars(labels):
    """The longest time on one root, in bars of two units."""
    found, run = 0, 0
    for before, label in zip((None, *labels), labels, strict=False):
        same = before is not None and parse_chord(before).root == parse_chord(label).root
        run = run + 1 if same else 1
        found = max(found, run)
    return found / 2


def test_where_nothing_is_sung_the_band_moves_on():
    sparse = [SungNote(0.0, 1.0, 60.0), SungNote(16.0, 17.0, 63.0)]
    measures = measures_of(grid(16), 32.0)
    moving = harmonise(sparse, measures, 12)
    assert longest_root_bars(moving.labels) <= 4
    still = harmonise(sparse, measures, 12, weights=HarmonyWeights(duration=0.0))
    assert longest_root_bars(still.labels) > longest_root_bars(moving.labels)


def test_beliefs_are_probabilities_and_agree_with_the_best_path():
    harmony = harmonise(arpeggios(CHORDS), MEASURES, 0, num_choices=96)
    for label, choices in zip(harmony.labels, harmony.choices, strict=True):
        assert sum(choice.probability for choice in choices) == pytest.approx(1)
        assert roots([choices[0].label]) == roots([label])
