"""Which part of which song is evaluated."""

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.audio import Audio
from banso.data.manifest import Item, build_manifest, write_item
from banso.eval.sets import load_items, load_voices
from banso.files import write_audio
from banso.leadsheet import ChordSpan, LeadSheet

pytestmark = pytest.mark.lab


def test_what_is_cut_begins_where_somebody_sings(tmp_path):
    """A second before the first sung second; the score moves along, the band too."""
    rate = 8000
    for name in ("late-00", "late-01"):
        folder = tmp_path / "items" / name
        folder.mkdir(parents=True)
        voice = np.zeros((1, 12 * rate), np.float32)
        voice[:, 5 * rate :] = 0.2 * np.sin(0.3 * np.arange(7 * rate))
        band = np.repeat(np.arange(12, dtype=np.float32) / 20, rate)
        write_audio(folder / "vocals.flac", Audio(voice, rate))
        write_audio(folder / "accompaniment.flac", Audio(np.stack([band, band]), rate))
        sheet = LeadSheet(
            beats=tuple(map(float, range(12))), downbeats=(0.0, 4.0, 8.0),
            chords=(ChordSpan(0.0, 6.0, "C:maj"), ChordSpan(6.0, 12.0, "F:maj")),
        )  # fmt: skip
        item = Item(
            item_id=name, song_id=name, source="test", split="test", style="none",
            num_samples=12 * rate, sample_rate=rate, lead_sheet=sheet, start_seconds=0.0,
            transposition=0, tempo_factor=1.0, seed=0, soundfont="none", licence="CC0-1.0",
            attribution="nobody", sha256={},
        )  # fmt: skip
        write_item(folder, item)
    build_manifest(tmp_path)
    first = load_items(tmp_path, max_seconds=4.0)[0]
    assert first.read_vocals().shape == (1, 4 * rate)
    assert first.read_accompaniment()[0, ::rate] == pytest.approx([0.2, 0.25, 0.3, 0.35], abs=1e-3)
    assert first.sheet.beats == (0.0, 1.0, 2.0, 3.0)
    assert first.sheet.downbeats == (0.0,)
    assert first.sheet.chords == (ChordSpan(0.0, 2.0, "C:maj"), ChordSpan(2.0, 4.0, "F:maj"))
    # Near the end of a song it is as long all the same.
    longer = load_items(tmp_path, max_seconds=10.0)[0]
    assert longer.read_accompaniment()[0, 0] == pytest.approx(0.1, abs=1e-3)
    band_first = load_items(tmp_path, max_seconds=4.0, from_singing=False)[0]
    assert band_first.read_accompaniment()[0, 0] == 0
    whole = load_items(tmp_path, max_seconds=60.0)[0]
    assert whole.read_vocals().shape == (1, 12 * rate)


def test_notes_of_a_recording_move_with_its_beginning(tmp_path):
    rate = 8000
    for name in ("a", "b"):
        voice = np.zeros((1, 10 * rate), np.float32)
        voice[:, 6 * rate :] = 0.1
        write_audio(tmp_path / f"{name}.wav", Audio(voice, rate))
        (tmp_path / f"{name}.txt").write_text("1.0 2.0 50\n6.0 7.0 60\n7.0 8.5 62\n9.0 9.9 64\n")
    (item, _) = load_voices(tmp_path, max_seconds=4.0)
    assert [(n.start_seconds, n.end_seconds, n.midi) for n in item.sheet.notes] == [
        (1.0, 2.0, 60.0),
        (2.0, 3.5, 62.0),
    ]


def test_voices_behind_a_link_are_found(tmp_path):
    elsewhere, voices = tmp_path / "elsewhere" / "deep", tmp_path / "voices"
    for folder, name in ((elsewhere, "a.wav"), (voices, "b.wav")):
        folder.mkdir(parents=True)
        write_audio(folder / name, Audio(np.full((1, 8000), 0.1, np.float32), 8000))
    (voices / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [item.name for item in load_voices(voices)] == ["b.wav", "link/deep/a.wav"]
