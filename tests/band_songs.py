"""Tiny songs for the tests of the data engine."""

import io

import mido

from banso.data.song import Note, Song
from banso.data.sources.pop909 import RawSong
from banso.leadsheet import ChordSpan, LeadSheet

BEAT_SECONDS = 0.5
LABELS = ("C:maj", "A:min", "F:maj", "G:7")
MELODY = (60, 64, 67, 72)


def tiny_song(num_bars: int = 8, beats_per_bar: int = 4) -> Song:
    bar = beats_per_bar * BEAT_SECONDS
    beats = tuple(i * BEAT_SECONDS for i in range(num_bars * beats_per_bar))
    chords = tuple(
        ChordSpan(i * bar, (i + 1) * bar, LABELS[i % len(LABELS)]) for i in range(num_bars)
    )
    melody = tuple(
        Note(beat, beat + 0.45, MELODY[i % len(MELODY)], 90) for i, beat in enumerate(beats)
    )
    piano = tuple(Note(beat, beat + 0.4, 60, 80) for beat in beats)
    return Song(
        song_id="tiny-001",
        source="tiny",
        melody=melody,
        bridge=(),
        piano=piano,
        lead_sheet=LeadSheet(
            beats=beats, downbeats=beats[::beats_per_bar], chords=chords, key="C:maj"
        ),
        duration_seconds=num_bars * bar,
        licence="CC0-1.0",
        attribution="nobody",
    )


def raw_song(number: str = "001", num_bars: int = 8, **replaced: bytes) -> RawSong:
    """A song in POP909's own files; 120 beats per minute."""
    song = tiny_song(num_bars)
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)]))
    for name, notes in (("MELODY", song.melody), ("BRIDGE", ()), ("PIANO", song.piano)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        now = 0
        for note in notes:
            for tick, velocity in (
                (round(note.start_seconds * 960), note.velocity),
                (round(note.end_seconds * 960), 0),
            ):
                track.append(
                    mido.Message("note_on", note=note.pitch, velocity=velocity, time=tick - now)
                )
                now = tick
        midi.tracks.append(track)
    stream = io.BytesIO()
    midi.save(file=stream)
    sheet = song.lead_sheet
    beat_lines = [f"{t} {1.0 - i % 2} {float(i % 4 == 0)}" for i, t in enumerate(sheet.beats)]
    chord_lines = [f"{s.start_seconds}\t{s.end_seconds}\t{s.label}" for s in sheet.chords]
    files = {
        f"{number}.mid": stream.getvalue(),
        "beat_midi.txt": "\n".join(beat_lines).encode(),
        "chord_midi.txt": "\n".join(chord_lines).encode(),
        "key_audio.txt": b"0.0\t16.0\tC:maj\n",
    }
    for name, content in replaced.items():
        files[f"{name}.txt"] = content
    return RawSong(number, files)
