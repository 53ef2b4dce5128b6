import numpy as np
import pytest

from banso.options import GenerationOptions, OutputOptions
from banso.report import sketch
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
