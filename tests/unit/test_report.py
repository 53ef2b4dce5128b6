import numpy as np
import pytest

from banso.leadsheet import ChordSpan, LeadSheet
from banso.options import GenerationOptions, OutputOptions
from banso.report import sketch
from banso.report_lanes import colour_of, draw_chords, draw_grid
from conftest import sing


def test_chroma_names_the_note():
    time = np.arange(44_100) / 44_100
    for pitch_class, hz in ((0, 261.63), (9, 440.0), (4, 329.63)):
        tone = 0.3 * np.sin(2 * np.pi * hz * time).astype(np.float32)[None]
        chroma = sketch([tone], 44_100).chroma
        assert set(chroma[:, :-1].argmax(axis=0)) == {pitch_class}
        assert chroma.max() == pytest.approx(1)


def test_outline_and_silence():
    samples = np.concatenate((sing(1.0), np.zeros((1, 44_100), np.float32)), axis=1)
    outline = sketch([samples[:, :30_000], samples[:, 30_000:]], 88_200)
    assert outline.highest.max() == samples.max()
    assert outline.lowest.min() == samples.min()
    np.testing.assert_array_equal(outline.chroma[:, -5:], 0)


def test_long_songs_have_bounded_grids():
    blocks = (np.zeros((2, 441_000), np.float32) for _ in range(60))
    assert len(sketch(blocks, 60 * 441_000).lowest) <= 2_000


def test_report_is_a_picture(accompanist, vocals_file):
    pytest.importorskip("matplotlib")
    path = vocals_file("声 $x_1 [a].wav")
    result = accompanist.accompany_file(
        path, OutputOptions(mix=False, report=True), GenerationOptions(seed=1)
    )
    assert result.paths.report.name == "声 $x_1 [a].report.png"
    assert result.paths.report.read_bytes().startswith(b"\x89PNG")
    assert result.paths.mix is None


def lanes(sheet, seconds=8.0):
    """The lanes of a picture of a lead sheet alone: axes for chords and two for the grid."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axes = Figure(figsize=(12, 3)).subplots(3, 1, sharex=True)
    draw_chords(axes[0], sheet, seconds)
    draw_grid(axes, sheet, seconds)
    return axes


def test_the_chord_lane_names_chords_and_the_grid_has_all_beats():
    beats = tuple(0.5 * index for index in range(16))
    spans = (ChordSpan(0.0, 4.0, "A:min7"), ChordSpan(4.0, 4.02, "C:maj"), ChordSpan(5.0, 9.0, "N"))
    axes = lanes(LeadSheet(beats=beats, downbeats=beats[::4], chords=spans, key="A:min"))
    assert [text.get_text() for text in axes[0].texts] == ["Am7", "N.C."]
    assert axes[0].get_ylabel() == "chords\nAm"
    edges = [patch.get_extents().get_points()[:, 0] for patch in axes[0].patches]
    assert len(edges) == 3
    for lane in axes:
        thin, thick = lane.collections
        assert len(thin.get_segments()) == 12
        assert [segment[0][0] for segment in thick.get_segments()] == [0.0, 2.0, 4.0, 6.0]


def test_without_beats_there_is_no_grid_and_long_songs_get_no_grey_wall():
    assert not any(len(c.get_segments()) for lane in lanes(LeadSheet()) for c in lane.collections)
    beats = tuple(0.5 * index for index in range(1_200))
    crowded = lanes(LeadSheet(beats=beats, downbeats=beats[::4]), 600.0)
    assert [len(c.get_segments()) for c in crowded[0].collections] == [300]


def test_fifths_look_alike_and_minor_is_darker():
    c, g, f_sharp, c_minor = (colour_of(x) for x in ("C:maj", "G:maj", "F#:maj", "C:min"))
    apart = [np.abs(np.subtract(c, other)).sum() for other in (g, f_sharp)]
    assert apart[0] < apart[1]
    assert max(c_minor) < max(c)
    assert colour_of("N") == "#e5e7eb"
