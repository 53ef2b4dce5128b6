"""A band by rule, to be better than: chords found under the melody, played by a fixed pattern.

Like MySong and its product Songsmith: chords that hold the sung notes and follow each other well,
given to a pattern player. It knows nothing but the voice, as our bands of the same row.

References:
    Simon, Morris & Basu 2008, "MySong: automatic accompaniment generation for vocal melodies", CHI.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from banso import features
from banso.audio import Audio
from banso.chords import Chord, parse_chord
from banso.data.arranger import Band, Track
from banso.data.render import SAMPLE_RATE, find_soundfonts, render_band
from banso.data.song import Note
from banso.data.styles import DRUM_KEYS
from banso.data.voicing import bass_pitch, lead_voices
from banso.eval.bar_chords import bar_chords
from banso.eval.hearing import Array
from banso.eval.metrics import triad_templates
from banso.eval.sung import FRAME_RATE, Sung, hear_singing
from banso.leadsheet import LeadSheet
from banso.onsets import find_events
from banso.pulse import find_pulse

_MELODY_FRAMES = 4  # latent frames that are judged at once
# Nats of a sung frame in and outside a triad: about what POP909's melodies do (0.7 of the sung time
# in three of twelve classes).
_IN_CHORD, _OUTSIDE = float(np.log(0.7 / 3)), float(np.log(0.3 / 9))
_PIANO, _BASS, _KIT = 0, 33, 0
_CENTRE, _LOWEST_BASS = 60, 31


def accompany_by_rule(samples: Array, sample_rate: int) -> Array:
    """Make a band for a voice without any learned model.

    Args:
        samples: The voice [channels, samples].
        sample_rate: In Hz.

    Returns:
        Drums, bass and piano [2, samples] at 44.1 kHz; the same for the same voice.

    Raises:
        DataError: If FluidSynth or a SoundFont is missing.
    """
    voice = Audio(np.atleast_2d(samples), sample_rate).to_mono().resampled(SAMPLE_RATE)
    sheet = harmonise(voice.samples, SAMPLE_RATE)
    soundfont = find_soundfonts()[0]
    # The generator decides the room; one and the same for all songs.
    band = render_band(
        pattern_band(sheet, voice.duration_seconds),
        voice.samples.shape[1],
        soundfont.path,
        np.random.default_rng(0),
    )
    return band.mix


def harmonise(samples: Array, sample_rate: int) -> LeadSheet:
    """Plan beats and chords for a voice from its notes and onsets alone.

    Args:
        samples: The voice [channels, samples].
        sample_rate: In Hz.

    Returns:
        Beats from the first to the last second, downbeats, and one chord after the other.
    """
    mono = Audio(np.atleast_2d(samples), sample_rate).to_mono().resampled(features.SAMPLE_RATE)
    rows = features.extract(mono.samples[0])
    likelihood = _chord_likelihood(hear_singing(mono.samples, features.SAMPLE_RATE))
    seconds = mono.duration_seconds
    pulse = find_pulse(find_events(rows, FRAME_RATE), seconds)
    chords = bar_chords(likelihood, FRAME_RATE / _MELODY_FRAMES, seconds, pulse)
    # However unsure the pulse, a pattern player must have beats.
    beats = _steady(np.zeros(0) if pulse is None else pulse.beats, seconds)
    bars = beats[::4].tolist() if pulse is None else pulse.downbeats.tolist()
    downs = tuple(beat for beat in beats.tolist() if beat in bars)
    return LeadSheet(beats=tuple(beats.tolist()), downbeats=downs, chords=chords)


def pattern_band(sheet: LeadSheet, seconds: float) -> Band:
    """Play a lead sheet by one pattern: eighths on the hi-hat, bass on one and three, piano chords.

    Args:
        sheet: With at least two beats.
        seconds: Length of the band.

    Returns:
        Tracks of drums, bass and piano.
    """
    beats = np.append(np.array(sheet.beats), seconds)
    chords = [_chord_at(sheet, beat) for beat in sheet.beats]
    downs = set(sheet.downbeats)
    places, place = [], 0
    for beat in sheet.beats:
        place = 0 if beat in downs else place + 1
        places.append(place)
    spans = list(pairwise(beats.tolist()))
    drums = _drums(spans, places)
    bass = [
        Note(start, end, bass_pitch(chord, "R", chord, _LOWEST_BASS), 96)
        for (start, end), chord, place in zip(spans, chords, places, strict=True)
        if chord.root is not None and place % 2 == 0
    ]
    piano = [
        Note(start, max(end - 0.03, start + 0.05), pitch, 84)
        for (start, end), pitches in zip(spans, lead_voices(chords, _CENTRE, 3), strict=True)
        for pitch in pitches
    ]
    return Band(
        style="by rule",
        tracks=(
            _track("drums", _KIT, drums, 92, is_drums=True),
            _track("bass", _BASS, bass, 104),
            _track("harmony", _PIANO, piano, 96),
        ),
    )


def _chord_likelihood(voice: Sung) -> Array:
    """Log-likelihood [frames / 4, 24] of the sung pitch under each triad."""
    inside = triad_templates() > 0
    table = np.where(inside, _IN_CHORD, _OUTSIDE)
    sung = np.where(voice.pitch >= 0, voice.pitch % 12, 12)
    table = np.concatenate([table, np.full((24, 1), 0.0)], axis=1)
    frames = table[:, sung].T
    count = -(-len(frames) // _MELODY_FRAMES)
    padded = np.pad(frames, ((0, count * _MELODY_FRAMES - len(frames)), (0, 0)))
    means = padded.reshape(count, _MELODY_FRAMES, 24).mean(axis=1)
    return np.asarray(means, dtype=np.float32)


def _steady(beats: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Carry beats on to both ends at their median pace; two a second if there are none."""
    if len(beats) < 2:
        return np.arange(0.0, max(seconds, 1.0), 0.5)
    step = float(np.median(np.diff(beats)))
    before = np.arange(beats[0] - step, 0, -step)[::-1]
    return np.concatenate([before, beats, np.arange(beats[-1] + step, seconds, step)])


def _chord_at(sheet: LeadSheet, seconds: float) -> Chord:
    for span in sheet.chords:
        if span.start_seconds <= seconds + 0.02 < span.end_seconds:
            return parse_chord(span.label)
    return Chord(None, (), None)


def _drums(spans: Sequence[tuple[float, float]], places: Sequence[int]) -> list[Note]:
    notes = []
    for (start, end), place in zip(spans, places, strict=True):
        middle = (start + end) / 2
        notes.append(Note(start, start + 0.1, DRUM_KEYS["snare" if place % 2 else "kick"], 96))
        notes += [Note(t, t + 0.05, DRUM_KEYS["hat"], 70) for t in (start, middle)]
    return notes


def _track(part: str, program: int, notes: list[Note], level: int, is_drums: bool = False) -> Track:
    ordered = tuple(sorted(notes, key=lambda note: (note.start_seconds, note.pitch)))
    return Track(
        part=part, program=program, is_drums=is_drums, notes=ordered,
        level=level, pan=64, reverb=40, chorus=0,
    )  # fmt: skip
