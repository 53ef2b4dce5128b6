import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from banso.audio import Audio
from banso.data.recordings import prepare_recordings
from banso.data.sources import medleydb, moisesdb, musdb, stems
from banso.data.sources.stems import part_of
from banso.data.studio import Studio
from banso.errors import DataError
from banso.files import read_audio, write_audio

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
]

RATE = 44_100
STUDIO = Studio(soundfonts=())


def _tone(path: Path, hz: float, seconds: float = 10.0, *, until: float | None = None) -> None:
    """A stereo tone; silent after `until`."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.2 * np.sin(2 * np.pi * hz * time)
    if until is not None:
        wave[round(until * RATE) :] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, Audio(np.stack([wave, wave]).astype(np.float32), RATE), overwrite=True)


def _song(folder: Path, names: tuple[str, ...] = ("vocals", "drums", "bass", "piano")) -> None:
    for index, name in enumerate(names):
        _tone(folder / f"{name}.wav", 200.0 * (index + 1))


def test_stems_folder_becomes_pairs_that_add_up(tmp_path: Path):
    _song(tmp_path / "in" / "A Song")
    _tone(tmp_path / "in" / "A Song" / "full mix.wav", 50)
    (tmp_path / "in" / "LICENSE").write_text("This work is licensed CC BY 4.0")
    songs = stems.read_corpus(tmp_path / "in", attribution="Me")
    manifest = prepare_recordings(songs, tmp_path / "out", studio=STUDIO, workers=1)
    (item,) = manifest.items
    assert (item.item_id, item.licence, item.attribution) == ("stems-A_Song-00", "CC-BY-4.0", "Me")
    assert item.lead_sheet.beats == item.lead_sheet.chords == ()
    assert item.style == ""
    mix = read_audio(manifest.path(item, "accompaniment.flac")).samples
    parts = [read_audio(manifest.path(item, f"parts/{n}.flac")).samples
             for n in ("drums", "bass", "harmony")]  # fmt: skip
    assert np.allclose(sum(parts), mix, atol=2e-4)
    spectrum = np.abs(np.fft.rfft(mix[0]))
    seconds = mix.shape[1] / RATE
    loud = [spectrum[round(hz * seconds)] for hz in (400, 600, 800)]
    assert min(loud) > 1000 * np.median(spectrum)
    # Neither the voice nor the finished mix is in the band.
    assert max(spectrum[round(hz * seconds)] for hz in (50, 200)) < 0.01 * min(loud)


def test_stems_without_licence_or_voice_are_refused(tmp_path: Path):
    _song(tmp_path / "song")
    with pytest.raises(DataError, match=r"song has no licence.*--licence"):
        stems.read_corpus(tmp_path / "song")
    assert stems.read_corpus(tmp_path / "song", licence="CC0-1.0")[0].licence == "CC0-1.0"
    (tmp_path / "song" / "LICENSE").write_text("ask my lawyer")
    with pytest.raises(DataError, match="not known"):
        stems.read_corpus(tmp_path / "song")
    _song(tmp_path / "band", ("drums", "bass"))
    with pytest.raises(DataError, match="no songs in"):
        stems.read_corpus(tmp_path / "band", licence="MIT")


def test_released_layout_has_its_licence_above_and_vox_stems(tmp_path: Path):
    folder = tmp_path / "pairs" / "2.Lithium"
    _song(folder, ("2.Lithium_Stem_VOX LEAD_mobile", "2.Lithium_Stem_SY BASS_mobile",
                   "2.Lithium_Stem_HATS_mobile", "2.Lithium_Stem_BGVOX 1_mobile"))  # fmt: skip
    (tmp_path / "pairs" / "LICENSE").write_text("CC0 1.0 Universal")
    for root in (folder, tmp_path / "pairs"):
        (song,) = stems.read_corpus(root)
        assert song.song_id == "stems-2_Lithium"
        assert len(song.vocals) == 2
        assert list(song.parts) == ["drums", "bass"]
        assert song.licence == "CC0-1.0"


@pytest.mark.parametrize(
    ("name", "part"),
    [("SY BASS", "bass"), ("Bass Drum", "bass"), ("HOUSE BEAT", "drums"), ("HH_GLITCH", "drums"),
     ("acoustic guitar", "harmony"), ("MINILOGUE_SYNTH", "harmony"), ("SWEEPS", "extra")],
)  # fmt: skip
def test_names_say_the_part(name: str, part: str):
    assert part_of(name) == part


def test_unsung_stretches_are_left_out_and_runs_go_on(tmp_path: Path, caplog):
    _tone(tmp_path / "in" / "vocals.wav", 300, 26.0, until=9.5)
    _tone(tmp_path / "in" / "drums.wav", 100, 26.0)
    songs = stems.read_corpus(tmp_path / "in", licence="MIT")
    arguments = {"studio": STUDIO, "max_seconds": 9.0, "workers": 1}
    manifest = prepare_recordings(songs, tmp_path / "out", **arguments)
    assert [item.start_seconds for item in manifest.items] == [0.0]
    path = manifest.path(manifest.items[0], "vocals.flac")
    before = path.stat().st_mtime_ns
    again = prepare_recordings(songs, tmp_path / "out", **arguments)
    assert again.items == manifest.items
    assert path.stat().st_mtime_ns == before
    other = prepare_recordings(songs, tmp_path / "other", **arguments)
    assert other.items == manifest.items
    _tone(tmp_path / "silent" / "vocals.wav", 300, 10.0, until=0.1)
    _tone(tmp_path / "silent" / "drums.wav", 100, 10.0)
    silent = stems.read_corpus(tmp_path / "silent", licence="MIT")
    prepare_recordings(silent, tmp_path / "none", **arguments)
    assert "stems-silent rejected: nobody sings" in caplog.text


def test_musdb_of_both_kinds(tmp_path: Path):
    _song(tmp_path / "train" / "Artist - One", ("vocals", "drums", "bass", "other", "mixture"))
    target = tmp_path / "test" / "Artist - Two.stem.mp4"
    target.parent.mkdir()
    tones = [f"sine=frequency={hz}:duration=10" for hz in (100, 200, 300, 400, 500)]
    inputs = [word for tone in tones for word in ("-f", "lavfi", "-i", tone)]
    maps = [word for index in range(5) for word in ("-map", f"{index}:a")]
    command = ["ffmpeg", "-v", "error", *inputs, *maps, "-c:a", "aac", "-f", "mp4", str(target)]
    subprocess.run(command, check=True)
    songs = musdb.read_corpus(tmp_path)
    assert [song.split for song in songs] == ["", "test"]
    assert all(song.licence == "LicenseRef-MUSDB18-non-commercial" for song in songs)
    assert list(songs[0].parts) == ["drums", "bass", "harmony"]
    manifest = prepare_recordings(songs, tmp_path / "out", studio=STUDIO, workers=1)
    by_song = {item.song_id: item for item in manifest.items}
    item = by_song["musdb-Artist_Two"]
    assert item.split == "test"
    for name, hz in (("vocals", 500), ("parts/drums", 200), ("parts/harmony", 400)):
        sound = read_audio(manifest.path(item, f"{name}.flac")).samples[0]
        spectrum = np.abs(np.fft.rfft(sound))
        assert np.argmax(spectrum) * RATE / len(sound) == pytest.approx(hz, abs=1)
    with pytest.raises(DataError, match="no MUSDB18"):
        musdb.read_corpus(tmp_path / "out")


def _moises(root: Path, path: str = "v1") -> Path:
    folder = root / "moisesdb_v0.1" / "0a1b"
    kinds = (("vocals", path, 440), ("drums", "d1", 100), ("guitar", "g1", 300))
    tracks = []
    for name, number, hz in kinds:
        tracks.append({"stemName": name, "tracks": [{"id": number, "extension": "wav"}]})
        if ".." not in number:
            _tone(folder / name / f"{number}.wav", hz)
    content = {"song": "Title", "artist": "Band", "stems": tracks}
    (folder / "data.json").write_text(json.dumps(content))
    return folder


def test_moisesdb(tmp_path: Path):
    folder = _moises(tmp_path)
    (song,) = moisesdb.read_corpus(tmp_path)
    assert song.attribution.startswith("Band: Title; MoisesDB")
    assert {name: len(found) for name, found in song.parts.items()} == {"drums": 1, "harmony": 1}
    manifest = prepare_recordings([song], tmp_path / "out", studio=STUDIO, workers=1)
    assert manifest.items[0].licence == "CC-BY-NC-SA-4.0"
    _moises(tmp_path, "../../../../secret")
    with pytest.raises(DataError, match="outside its folder"):
        moisesdb.read_corpus(tmp_path)
    (folder / "data.json").write_text("{")
    with pytest.raises(DataError, match="cannot read"):
        moisesdb.read_corpus(tmp_path)


def test_medleydb(tmp_path: Path):
    folder = tmp_path / "Audio" / "Band_Title"
    for number, hz in (("01", 440), ("02", 100), ("03", 300)):
        _tone(folder / "Band_Title_STEMS" / f"Band_Title_STEM_{number}.wav", hz)
    blocks = ["artist: Band", "stems:"]
    for number, instrument in (("01", "female singer"), ("02", "drum set"), ("03", "piano")):
        blocks += [
            f"  S{number}:", "    component: ''", f"    filename: Band_Title_STEM_{number}.wav",
            f"    instrument: {instrument}", "    raw:", "      R01:",
            "        filename: raw.wav", "        instrument: something else",
        ]  # fmt: skip
    metadata = tmp_path / "Metadata" / "Band_Title_METADATA.yaml"
    metadata.parent.mkdir()
    metadata.write_text("\n".join(blocks))
    (song,) = medleydb.read_corpus(tmp_path)
    assert [stem.path.name for stem in song.vocals] == ["Band_Title_STEM_01.wav"]
    assert {name: found[0].path.stem[-2:] for name, found in song.parts.items()} == {
        "drums": "02", "harmony": "03",
    }  # fmt: skip
    assert song.song_id == "medleydb-Band_Title"
    metadata.unlink()
    with pytest.raises(DataError, match="no MedleyDB song"):
        medleydb.read_corpus(tmp_path)
