import json
from dataclasses import replace

import pytest

from band_songs import tiny_song
from banso.data.manifest import (
    Item,
    build_manifest,
    load_manifest,
    read_item,
    sha256_of,
    split_of,
    write_item,
)
from banso.errors import DataError

pytestmark = pytest.mark.lab


def _item() -> Item:
    return Item(
        item_id="tiny-001-00", song_id="tiny-001", source="tiny", split=split_of("tiny-001"),
        style="rock", num_samples=441, sample_rate=44_100, lead_sheet=tiny_song(2).lead_sheet,
        start_seconds=0.0, transposition=2, tempo_factor=1.0, seed=0, soundfont="none (CC0-1.0)",
        licence="CC0-1.0", attribution="nobody", sha256={"vocals.flac": "0" * 64},
    )  # fmt: skip


def test_json_round_trip():
    item = _item()
    assert Item.from_json(json.loads(json.dumps(item.to_json()))) == item


def test_manifest_holds_complete_items_only(tmp_path):
    folder = tmp_path / "items" / "tiny-001-00"
    folder.mkdir(parents=True)
    (tmp_path / "items" / "unfinished").mkdir()
    write_item(folder, _item())
    assert read_item(folder) == _item()
    built = build_manifest(tmp_path)
    assert built.items == (_item(),)
    assert load_manifest(tmp_path) == built
    assert built.of_split(_item().split) == built.items
    assert built.path(_item(), "vocals.flac") == folder / "vocals.flac"


@pytest.mark.parametrize("change", [{"split": "holdout"}, {"sample_rat": 1}, {"lead_sheet": None}])
def test_invalid_item_is_a_clear_error(change):
    with pytest.raises(DataError, match="tiny-001-00"):
        Item.from_json(_item().to_json() | change)


def test_wrong_version_and_broken_json_are_clear_errors(tmp_path):
    (tmp_path / "manifest.json").write_text('{"format_version": 99}')
    with pytest.raises(DataError, match="version"):
        load_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="cannot read"):
        load_manifest(tmp_path)


def test_split_shares():
    splits = [split_of(f"song-{i}") for i in range(5000)]
    assert 0.035 < splits.count("test") / 5000 < 0.065
    assert 0.02 < splits.count("validation") / 5000 < 0.04
    assert replace(_item()).split == split_of("tiny-001")


def test_checksum(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c14")
