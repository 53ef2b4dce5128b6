"""A preview page shows the pairs that were drawn, and its numbers tell right from wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.audio import Audio
from banso.cli import app
from banso.data import preview
from banso.data.manifest import build_manifest, load_manifest
from banso.errors import DataError
from banso.files import read_audio, write_audio
from prepared_pairs import CHORDS, RATE, SECONDS, band, make_item

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number, style in enumerate(("ballad", "rock")):
        make_item(folder, f"song-{number}-00", style)
    build_manifest(folder)
    return folder


@pytest.fixture(scope="module")
def page(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("page")
    done = CliRunner().invoke(
        app, ["prepare", "preview", "--root", str(data), "--out", str(out), "--workers", "1"]
    )
    assert done.exit_code == 0, done.output
    return out, done.stdout


def content(out):
    text = (out / "index.html").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("const PREVIEW = "))
    return text, json.loads(line.removeprefix("const PREVIEW = ").rstrip(";"))


def test_true_renderings_pass_the_checks(page):
    out, said = page
    numbers = json.loads((out / "preview.json").read_text())
    assert numbers["chord_accuracy"] >= 0.95
    assert numbers["beat_f1"] >= 0.9
    assert [pair["style"] for pair in numbers["pairs"]] == ["ballad", "rock"]
    assert "as it should be" in said


def test_a_band_that_plays_another_score_does_not_pass(data, tmp_path):
    wrong = make_item(tmp_path, "wrong-0-00")
    other = band(labels=(CHORDS[1], CHORDS[2], CHORDS[0]), beat_seconds=0.31)
    path = tmp_path / "items" / wrong.item_id / "accompaniment.flac"
    write_audio(path, Audio(other, RATE), overwrite=True)
    build_manifest(tmp_path)
    found = preview.write_preview(tmp_path, tmp_path / "page", workers=1)
    assert found.chord_accuracy < 0.3
    assert found.beat_f1 < 0.8
    assert not found.holds
    assert "TOO LOW" in str(found)


def test_the_page_holds_all_it_shows_and_asks_nobody(page):
    out, _ = page
    text, shown = content(out)
    assert "http" not in text
    assert text.count("</script>") == 1
    pair = shown["pairs"][0]
    assert pair["facts"]["tempo"] == "120 BPM"
    assert pair["facts"]["attribution"] == "</script> & nobody"
    assert [label for *_, label in pair["chords"]] == [label for label, _ in CHORDS]
    for address in pair["audio"].values():
        assert read_audio(out / address).duration_seconds == pytest.approx(SECONDS, abs=0.05)


def test_voice_and_band_are_both_in_the_mix(page):
    out, _ = page
    _, shown = content(out)
    parts = {name: read_audio(out / path) for name, path in shown["pairs"][0]["audio"].items()}
    sums = {name: part.to_mono().samples[0][: 5 * RATE] for name, part in parts.items()}
    basis = np.stack([sums["voice"], sums["band"]], axis=1)
    weights, residual, *_ = np.linalg.lstsq(basis, sums["both"], rcond=None)
    assert weights.min() > 0.1
    assert residual[0] < 0.02 * np.square(sums["both"]).sum()


def test_the_sample_is_drawn_by_the_seed(data):
    item = load_manifest(data).items[0]
    items = [replace(item, item_id=f"song-{number:03d}-00") for number in range(12)]
    drawn = [preview.sample_items(items, 5, seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({item.item_id for item in drawn[0]}) == 5
    assert preview.sample_items(items, 99, 0) == items


def test_a_data_set_without_items_is_one_clear_error(tmp_path):
    build_manifest(tmp_path)
    with pytest.raises(DataError, match="no items to show"):
        preview.write_preview(tmp_path, tmp_path / "page")
