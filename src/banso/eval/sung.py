"""What is sung: pitch of every frame, notes and their onsets, from the voice's own features.

The evaluation looks at a recording of a voice exactly as the model does, so real singing without
a score is measured like the synthetic kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso import features
from banso.audio import Audio
from banso.eval.hearing import Array
from banso.leadsheet import SungNote
from banso.notes import sung_notes

FRAME_RATE = features.SAMPLE_RATE / features.HOP_LENGTH


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sung:
    """A sung line.

    Attributes:
        pitch: MIDI number of each frame of `FRAME_RATE`, -1 where nothing is sung [frames].
        notes: The same as notes.
    """

    pitch: NDArray[np.int16]
    notes: tuple[SungNote, ...]

    @property
    def onset_seconds(self) -> NDArray[np.float64]:
        """Where notes begin [notes]."""
        return np.array([note.start_seconds for note in self.notes], dtype=np.float64)

    @property
    def pitch_class_weights(self) -> NDArray[np.float64]:
        """Number of frames in which each pitch class is sung [12], C first."""
        sung = self.pitch[self.pitch >= 0] % 12
        return np.bincount(sung, minlength=12).astype(np.float64)


def hear_singing(samples: Array, sample_rate: int) -> Sung:
    """Find what is sung in a recording of a voice.

    Args:
        samples: Waveform [channels, samples], full scale ±1.
        sample_rate: In Hz.

    Returns:
        Pitch and notes; empty for a silent or unpitched recording.
    """
    audio = Audio(np.atleast_2d(samples), sample_rate).to_mono()
    rows = features.extract(audio.resampled(features.SAMPLE_RATE).samples[0])
    notes = sung_notes(rows, FRAME_RATE)
    return Sung(pitch=_pitch(notes, len(rows)), notes=notes)


def _pitch(notes: Sequence[SungNote], num_frames: int) -> NDArray[np.int16]:
    """Nearest semitone of each frame [frames] that lies in a note, -1 elsewhere."""
    pitch = np.full(num_frames, -1, dtype=np.int16)
    for note in notes:
        start, stop = round(note.start_seconds * FRAME_RATE), round(note.end_seconds * FRAME_RATE)
        pitch[start:stop] = round(note.midi)
    return pitch
