import shutil

import numpy as np
import pytest

from banso.data.arranger import Band, Track
from banso.data.mastering import level_db
from banso.data.render import (
    SAMPLE_RATE,
    find_soundfonts,
    render_band,
    write_midi,
)
from banso.data.song import Note
from banso.errors import DataError

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth"),
]


def _clicks(times, pan=64, reverb=0):
    notes = tuple(Note(t, t + 0.1, 37, 110) for t in times)
    track = Track(part="drums", program=0, is_drums=True, notes=notes, level=120, pan=pan,
                  reverb=reverb, chorus=0)  # fmt: skip
    return Band(style="test", tracks=(track,))


def _onsets(waveform, times):
    loud = np.abs(waveform).max(axis=0)
    found = []
    for time in times:
        start = round((time - 0.01) * SAMPLE_RATE)
        piece = loud[start : start + 4000]
        found.append((start + int(np.argmax(piece > 0.02 * piece.max()))) / SAMPLE_RATE)
    return np.array(found)


def test_onsets_are_where_the_score_has_them():
    times = [0.5, 2.3456, 5.0, 7.7]
    font = find_soundfonts()[0]
    waveform = render_band(_clicks(times), 9 * SAMPLE_RATE, font.path, np.random.default_rng(0)).mix
    assert waveform.shape == (2, 9 * SAMPLE_RATE)
    late = _onsets(waveform, times) - times
    # The sample's own attack takes 1 to 3 ms; the clock must not drift over the file.
    assert np.all(np.abs(late) < 0.005)
    assert np.ptp(late) < 0.0025


def test_level_peak_and_panning():
    font = find_soundfonts()[0]
    left = render_band(
        _clicks(np.arange(0, 4, 0.25), pan=0), 4 * SAMPLE_RATE, font.path, np.random.default_rng(0)
    ).mix
    power = np.square(left).mean(axis=1)
    assert power[0] > 4 * power[1]
    assert -24 < level_db(left) < -13
    assert np.max(np.abs(left)) <= 0.98


def test_parts_add_up_to_the_mix_exactly():
    font = find_soundfonts()[0]
    bass = Track(part="bass", program=33, is_drums=False, level=127, pan=64, reverb=40, chorus=0,
                 notes=tuple(Note(t, t + 0.4, 40, 127) for t in np.arange(0, 3, 0.5)))  # fmt: skip
    band = _clicks(np.arange(0, 3, 0.25))
    both = Band(style="test", tracks=(*band.tracks, bass))
    rendered = render_band(both, 3 * SAMPLE_RATE, font.path, np.random.default_rng(1))
    assert list(rendered.parts) == ["drums", "bass"]
    assert np.array_equal(sum(rendered.parts.values()), rendered.mix)
    assert all(level_db(part) > -60 for part in rendered.parts.values())


def test_no_part_hears_another():
    """A pad that rings past its end, and a click in the part that is played after it."""
    font = find_soundfonts()[0]
    pad = Track(part="harmony", program=89, is_drums=False, level=127, pan=64, reverb=127, chorus=0,
                notes=(Note(0.0, 2.9, 60, 127), Note(0.0, 2.9, 64, 127)))  # fmt: skip
    clicks = _clicks([2.0, 2.5]).tracks
    together, alone = (
        render_band(Band(style="test", tracks=tracks), 3 * SAMPLE_RATE, font.path,
                    np.random.default_rng(2)).parts["drums"]
        for tracks in ((pad, *clicks), clicks)
    )  # fmt: skip
    before = np.abs(together[:, : round(1.95 * SAMPLE_RATE)]).max()
    assert before < 10 ** (-60 / 20) * np.abs(together).max()
    assert np.all(np.abs(_onsets(together, [2.0, 2.5]) - _onsets(alone, [2.0, 2.5])) < 0.001)


def test_level_ignores_pauses():
    tone = np.full(2 * SAMPLE_RATE, 0.1, np.float32)
    assert level_db(np.concatenate((tone, 0 * tone))) == pytest.approx(-20.0, abs=0.1)
    assert level_db(0 * tone) == -120.0


def test_repeated_keys_do_not_cut_each_other():
    notes = (Note(0.0, 1.0, 60, 80), Note(0.5, 1.0, 60, 80))
    track = Track(part="bass", program=33, is_drums=False, notes=notes, level=100, pan=64,
                  reverb=0, chorus=0)  # fmt: skip
    midi = write_midi([Band(style="test", tracks=(track,))], 8.0)
    events = [m.velocity for m in midi.tracks[0] if m.type == "note_on"]
    assert events == [80, 0, 80, 0]


def test_silent_band_and_missing_fonts_are_clear_errors(tmp_path):
    font = find_soundfonts()[0]
    with pytest.raises(DataError, match="no sound"):
        render_band(_clicks([]), SAMPLE_RATE, font.path, np.random.default_rng(0))
    with pytest.raises(DataError, match="no SoundFont"):
        find_soundfonts([tmp_path])
