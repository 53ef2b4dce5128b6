"""Make `examples/vocal.flac`: banso's own singer sings "Auld Lang Syne".

The tune is traditional (Scots, in print since 1799) and the voice is arithmetic, so the recording
is free of anybody's rights. The same seed gives the same file on the same versions of numpy, scipy
and libsndfile.

    python scripts/make_example_vocal.py [examples/vocal.flac]
"""

import sys
from pathlib import Path

import numpy as np
import soundfile

from banso.data.singer import Voice, sing
from banso.data.song import Note

SAMPLE_RATE = 44_100
SEED = 5
BEATS_PER_MINUTE = 92
START_SECONDS = 0.4
REST_SECONDS = 0.6

# Pitch name and length in beats; a bar has four. `|` is for the eye.
TUNE = """
    C4 1 | F4 1.5  F4 0.5  F4 1  A4 1 | G4 1.5  F4 0.5  G4 1  A4 1
         | F4 1.5  F4 0.5  A4 1  C5 1 | D5 3                  D5 1
         | C5 1.5  A4 0.5  A4 1  F4 1 | G4 1.5  F4 0.5  G4 1  A4 1
         | F4 1.5  D4 0.5  D4 1  C4 1 | F4 3
"""
# The singer takes a breath after these notes, counted from 0.
PHRASE_ENDS = (8, 13, 21, 26)

SINGER = Voice(
    centre=66.0,
    size=1.13,
    tilt_db=-6.5,
    breathiness=0.35,
    vibrato_hz=5.4,
    vibrato_cents=32.0,
    vibrato_delay_seconds=0.28,
    glide_seconds=0.06,
    legato=0.9,
    scoop=0.15,
    offset_cents=5.0,
    drift_cents=4.0,
    timing_ms=8.0,
    lag_ms=5.0,
    clarity=0.85,
)
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def tune() -> list[Note]:
    """Return the melody in seconds."""
    words = TUNE.replace("|", " ").split()
    beat = 60 / BEATS_PER_MINUTE
    time, notes = START_SECONDS, []
    for i, (name, length) in enumerate(zip(words[::2], words[1::2], strict=True)):
        end = time + float(length) * beat
        sounding = end - (0.25 if i in PHRASE_ENDS else 0.0)
        pitch = 12 * (int(name[1]) + 1) + _SEMITONES[name[0]]
        notes.append(Note(time, sounding, pitch, 88))
        time = end
    return notes


def main(path: Path) -> None:
    """Sing, and write 16-bit FLAC."""
    notes = tune()
    num_samples = round((notes[-1].end_seconds + REST_SECONDS) * SAMPLE_RATE)
    rng = np.random.default_rng(SEED)
    waveform = sing(notes, num_samples, sample_rate=SAMPLE_RATE, rng=rng, voice=SINGER)
    soundfile.write(path, waveform, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    seconds = num_samples / SAMPLE_RATE
    print(f"{path}: {seconds:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/vocal.flac"))
