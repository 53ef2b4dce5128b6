import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from band_songs import raw_song
from banso.audio import Audio
from banso.data.manifest import Item
from banso.data.prepare import prepare_songs
from banso.data.sources import groove, lieder
from banso.data.studio import Studio, measured_banks, open_studio
from banso.errors import DataError
from banso.files import read_audio, write_audio
from score_files import lied_xml, packed, write_groove

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth"),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
]

RATE = 44_100


def _write_room(folder: Path) -> None:
    folder.mkdir()
    response = np.zeros((1, RATE), np.float32)
    response[0, [100, 2000]] = 0.8, 0.3
    write_audio(folder / "room.wav", Audio(response, RATE))


def _write_bank(folder: Path) -> None:
    """One syllable: 0.9 s of a voice at 150 Hz."""
    folder.mkdir(parents=True)
    time = np.arange(RATE) / RATE
    wave = sum(np.sin(2 * np.pi * 150 * k * time + k) / k for k in range(1, 30))
    write_audio(folder / "a.wav", Audio(0.1 * np.asarray(wave, np.float32)[None], RATE))
    (folder / "oto.ini").write_text("a.wav=a,50,100,-800,60,20")
    (folder / "readme.txt").write_text("CC0")


def _repeated(take: groove.DrumTake, times: int) -> groove.DrumTake:
    length = take.num_bars * take.beats_per_bar
    hits = [replace(h, beat=h.beat + k * length) for k in range(times) for h in take.hits]
    return replace(take, hits=tuple(hits), num_bars=times * take.num_bars)


def _sounds(out: Path, item: Item) -> tuple[np.ndarray, np.ndarray]:
    folder = out / "items" / item.item_id
    voice, band = (read_audio(folder / f"{n}.flac").samples for n in ("vocals", "accompaniment"))
    return voice, band


def test_art_song_is_piano_alone_and_its_words_are_sung(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lc7.mxl").write_bytes(packed(lied_xml()))
    corpus = lieder.read_corpus(tmp_path / "in")
    manifest = prepare_songs(corpus, tmp_path / "out", max_seconds=12.0, workers=1)
    (item,) = manifest.items
    assert (item.style, item.licence, item.source) == ("art-song", "CC0-1.0", "lieder")
    assert list(item.sha256) == ["vocals.flac", "accompaniment.flac", "parts/harmony.flac"]
    voice, band = _sounds(tmp_path / "out", item)
    assert voice.std() > 0.01
    assert band.std() > 0.01
    assert len(item.lead_sheet.chords) >= 4


def test_drum_takes_are_items_without_a_voice(tmp_path: Path):
    write_groove(tmp_path / "in")
    takes = [take for take in groove.read_corpus(tmp_path / "in") if not take.is_fill]
    long = [_repeated(take, 4) for take in takes]
    manifest = prepare_songs(long, tmp_path / "out", workers=1)
    assert {item.style for item in manifest.items} == {"drums"}
    assert {item.licence for item in manifest.items} == {"CC-BY-4.0"}
    for item in manifest.items:
        voice, band = _sounds(tmp_path / "out", item)
        assert not voice.any()
        assert band.std() > 0.01
        assert len(item.lead_sheet.downbeats) >= 4
        assert not item.lead_sheet.chords


def test_whole_studio_is_used_and_repeatable(tmp_path: Path):
    write_groove(tmp_path / "drums")
    _write_room(tmp_path / "rooms")
    _write_bank(tmp_path / "banks" / "one")
    found = {"grooves": tmp_path / "drums", "rooms": tmp_path / "rooms",
             "voicebanks": tmp_path / "banks"}  # fmt: skip
    first = open_studio(tmp_path / "a", **found)
    assert len(first.singers()) == len(first.impulse_responses()) == 1
    assert first.drummer() is not None
    assert first.codecs
    corpus = [raw_song(f"{number:03d}") for number in range(1, 4)]
    one = prepare_songs(corpus, tmp_path / "a", studio=first, max_seconds=8.0, workers=1)
    two = prepare_songs(corpus, tmp_path / "b", studio=first, max_seconds=8.0, workers=1)
    plain = Studio(soundfonts=first.soundfonts)
    three = prepare_songs(corpus, tmp_path / "c", studio=plain, max_seconds=8.0, workers=1)
    assert one.items == two.items
    voices = [[item.sha256["vocals.flac"] for item in made.items] for made in (one, three)]
    assert voices[0] != voices[1]


def test_unusable_banks_are_told_and_left_out(tmp_path: Path, caplog):
    _write_bank(tmp_path / "banks" / "good")
    _write_bank(tmp_path / "banks" / "bad")
    (tmp_path / "banks" / "bad" / "readme.txt").write_text("all mine")
    paths = measured_banks(tmp_path / "out", tmp_path / "banks", spoken=False)
    assert [path.name for path in paths] == ["good.bank.npz"]
    assert "voice bank rejected: voice bank bad states no licence" in caplog.text
    before = paths[0].stat().st_mtime_ns
    measured_banks(tmp_path / "out", tmp_path / "banks", spoken=False)
    assert paths[0].stat().st_mtime_ns == before
    with pytest.raises(DataError, match="no voice bank below"):
        measured_banks(tmp_path / "out", tmp_path / "out", spoken=False)
