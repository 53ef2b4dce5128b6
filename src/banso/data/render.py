"""Play a band through FluidSynth and get a stereo waveform that starts at the score's time 0."""

import math
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import mido
import numpy as np
from numpy.typing import NDArray

from banso.data.arranger import Band, Track
from banso.data.mastering import level_db, master
from banso.data.song import Note, Notes
from banso.errors import DataError

SAMPLE_RATE = 44_100
# Where Linux distributions install SoundFonts.
SOUNDFONT_FOLDERS = (
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/sounds/sf3"),
    Path("/usr/share/soundfonts"),
)
SOUNDFONT_LICENCES = {
    "FluidR3_GM": "MIT",
    "FluidR3Mono_GM": "MIT",
    "MuseScore_General_Lite": "MIT",
}

_DRUM_CHANNEL = 9
_ALL_SOUND_OFF = 120
_TICKS_PER_SECOND = 2000
_TICKS_PER_BEAT = 1000
# FluidSynth acts on events at the next multiple of 64 samples; half of that is the mean delay.
_LATENCY = 32
# Where both a tick of the score and such a multiple fall on the same sample.
_GRID_SECONDS = 0.64
# In which the room falls silent after one part, before the next one starts.
_REST_SECONDS = 4.0
_REST_TICKS = round(_REST_SECONDS * _TICKS_PER_SECOND)
# A minute and a half takes seconds; but a machine that does much else may take minutes for it.
_TIMEOUT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class SoundFont:
    """A SoundFont file whose licence is known."""

    path: Path
    licence: str


def find_soundfonts(folders: Sequence[Path] = SOUNDFONT_FOLDERS) -> list[SoundFont]:
    """Return the SoundFonts with a known, open licence in some folders, ordered by name.

    Raises:
        DataError: If there is none.
    """
    found = {
        path.stem: SoundFont(path, SOUNDFONT_LICENCES[path.stem])
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.stem in SOUNDFONT_LICENCES and path.suffix in (".sf2", ".sf3")
    }
    if not found:
        names = ", ".join(SOUNDFONT_LICENCES)
        raise DataError(f"no SoundFont found; install one of {names} (Debian: fluid-soundfont-gm)")
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True, slots=True, eq=False)
class RenderedBand:
    """What a band sounds like, together and apart.

    Attributes:
        mix: Waveform [2, samples]; exactly the sum of the parts.
        parts: Waveform [2, samples] of each part that the band has.
    """

    mix: NDArray[np.float32]
    parts: Mapping[str, NDArray[np.float32]]


def write_midi(bands: Sequence[Band], period_seconds: float) -> mido.MidiFile:
    """Write bands one after the other, at a fixed 120 beats per minute, half a millisecond a tick.

    Args:
        bands: What to play; together at most 15 tracks besides drums.
        period_seconds: From the start of a band to the start of the next. When the next one starts,
            nothing of the last sounds any more but the room, if it was silent `_REST_SECONDS` ago.
    """
    midi = mido.MidiFile(ticks_per_beat=_TICKS_PER_BEAT)
    free = [channel for channel in range(16) if channel != _DRUM_CHANNEL]
    period = round(period_seconds * _TICKS_PER_SECOND)
    for number, band in enumerate(bands):
        start, end = number * period, (number + 1) * period - _REST_TICKS
        for track in band.tracks:
            channel = _DRUM_CHANNEL if track.is_drums else free.pop(0)
            midi.tracks.append(_midi_track(track, channel, start, end))
    return midi


def render_midi(
    midi: mido.MidiFile, starts: Sequence[int], num_samples: int, soundfont: Path,
    room: Mapping[str, str],
) -> list[NDArray[np.float32]]:  # fmt: skip
    """Play a MIDI file.

    Args:
        midi: What to play.
        starts: First sample of every excerpt wanted.
        num_samples: Length of each at 44.1 kHz.
        soundfont: Instruments.
        room: FluidSynth's settings of the reverberation; see `draw_room`.

    Returns:
        Waveforms [2, num_samples] at FluidSynth's own level.

    Raises:
        DataError: If FluidSynth is missing or fails.
    """
    settings = {
        "synth.dynamic-sample-loading": "1",
        "synth.cpu-cores": "1",
        "synth.polyphony": "160",
        **room,
    }
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "band.mid", Path(folder) / "band.raw"
        midi.save(score)
        command = ["fluidsynth", "-ni", "-q", "-F", str(sound), "-T", "raw", "-O", "float"]
        command += ["-r", str(SAMPLE_RATE), "-g", "0.4"]
        for name, value in settings.items():
            command += ["-o", f"{name}={value}"]
        try:
            done = subprocess.run(
                [*command, str(soundfont), str(score)],
                capture_output=True, check=False, timeout=_TIMEOUT_SECONDS,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise DataError("fluidsynth is not installed; it plays the bands") from error
        except subprocess.TimeoutExpired as error:
            raise DataError(f"fluidsynth did not finish in {_TIMEOUT_SECONDS} s") from error
        if done.returncode != 0 or not sound.is_file():
            raise DataError(f"fluidsynth failed: {done.stderr.decode(errors='replace').strip()}")
        with sound.open("rb") as file:
            return [_read_excerpt(file, start + _LATENCY, num_samples) for start in starts]


def _read_excerpt(file: BinaryIO, start: int, num_samples: int) -> NDArray[np.float32]:
    frame_bytes = 2 * np.dtype("<f4").itemsize
    file.seek(start * frame_bytes)
    frames = np.frombuffer(file.read(num_samples * frame_bytes), "<f4").reshape(-1, 2)
    waveform = np.zeros((2, num_samples), np.float32)
    waveform[:, : len(frames)] = frames.T
    return waveform


def draw_room(rng: np.random.Generator) -> dict[str, str]:
    """Draw a room as FluidSynth's settings; all parts of a band play in the same one."""
    return {
        "synth.reverb.room-size": f"{rng.uniform(0.2, 0.85):.3f}",
        "synth.reverb.damp": f"{rng.uniform(0.1, 0.6):.3f}",
        "synth.reverb.level": f"{rng.uniform(0.4, 0.9):.3f}",
        "synth.reverb.width": f"{rng.uniform(0.5, 1.0):.3f}",
    }


def render_band(
    band: Band, num_samples: int, soundfont: Path, rng: np.random.Generator
) -> RenderedBand:
    """Play each part of a band, master them, and set the sum's level to about -18 dB.

    What is done to the sum is done to its parts alike, and values are rounded to 16 bits, so that
    the parts add up to the mix without any error.

    Args:
        band: What to play.
        num_samples: Length of the result at 44.1 kHz.
        soundfont: Instruments.
        rng: Decides room, mastering and level.

    Returns:
        Mix and parts, each [2, num_samples]; the mix within ±0.98.

    Raises:
        DataError: If FluidSynth fails or the band makes no sound.
    """
    room = draw_room(rng)
    names = tuple(dict.fromkeys(track.part for track in band.tracks))
    alone = [replace(band, tracks=tuple(t for t in band.tracks if t.part == n)) for n in names]
    # One after the other in one run: to unpack a compressed SoundFont takes longer than to play.
    period = math.ceil((num_samples / SAMPLE_RATE + _REST_SECONDS) / _GRID_SECONDS) * _GRID_SECONDS
    starts = [round(number * period * SAMPLE_RATE) for number in range(len(names))]
    played = render_midi(write_midi(alone, period), starts, num_samples, soundfont, room)
    apart = master(dict(zip(names, played, strict=True)), SAMPLE_RATE, rng)
    total: NDArray[np.float32] = np.asarray(np.sum(list(apart.values()), axis=0, dtype=np.float32))
    level = level_db(total, SAMPLE_RATE)
    if level < -80:
        raise DataError(f"the {band.style} band makes no sound with {soundfont.name}")
    gain = 10 ** ((-18 + rng.normal(0, 1.5) - level) / 20)
    gain = min(gain, 0.97 / float(np.abs(total).max()))
    for part in apart.values():
        part *= np.float32(gain * 32767)
        np.rint(part, out=part)
        part *= np.float32(1 / 32768)
    return RenderedBand(np.sum(list(apart.values()), axis=0, dtype=np.float32), apart)


def _midi_track(track: Track, channel: int, start: int, end: int) -> mido.MidiTrack:
    """Write a track whose time 0 is the tick `start`, and that is silenced at the tick `end`."""
    midi = mido.MidiTrack()
    midi.append(mido.MetaMessage("track_name", name=track.part))
    midi.append(mido.Message("program_change", channel=channel, program=track.program))
    for control, value in ((7, track.level), (10, track.pan), (91, track.reverb),
                           (93, track.chorus)):  # fmt: skip
        midi.append(mido.Message("control_change", channel=channel, control=control, value=value))
    events = []
    for note in _separate(track.notes):
        on, off = (
            start + round(t * _TICKS_PER_SECOND) for t in (note.start_seconds, note.end_seconds)
        )
        # At the same tick a note ends before the next begins.
        events.append((on, 1, note.pitch, note.velocity))
        events.append((max(off, on + 1), 0, note.pitch, 0))
    now = 0
    for tick, _, pitch, velocity in sorted(events):
        midi.append(
            mido.Message("note_on", channel=channel, note=pitch, velocity=velocity, time=tick - now)
        )
        now = tick
    silence = {"channel": channel, "control": _ALL_SOUND_OFF, "value": 0}
    midi.append(mido.Message("control_change", time=max(end - now, 0), **silence))
    # Keeps the player going, so that the file is long enough.
    midi.append(mido.Message("control_change", time=_REST_TICKS, **silence))
    return midi


def _separate(notes: Notes) -> list[Note]:
    """End each note before the same key is struck again; MIDI cannot hold one key twice."""
    upcoming: dict[int, float] = {}
    separate = []
    for note in reversed(notes):
        end = min(note.end_seconds, upcoming.get(note.pitch, np.inf))
        upcoming[note.pitch] = note.start_seconds
        if end - note.start_seconds > 0.01:
            separate.append(Note(note.start_seconds, end, note.pitch, note.velocity))
    return separate[::-1]
