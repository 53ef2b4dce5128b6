"""Tiny prepared pairs for tests of what is made from a data set."""

import numpy as np

from banso.audio import Audio
from banso.data.manifest import Item, write_item
from banso.files import write_audio
from banso.leadsheet import ChordSpan, LeadSheet
from conftest import sing

RATE = 44_100
CHORDS = (("C:maj", (48, 52, 55)), ("A:min", (45, 48, 52)), ("F:maj", (41, 45, 48)))
SECONDS = 6.0


def band(labels=CHORDS, beat_seconds=0.5):
    """Two seconds of each triad, struck on every beat, with a low thump."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    sound = np.zeros_like(time)
    for index, (_, pitches) in enumerate(labels):
        inside = (time >= 2 * index) & (time < 2 * index + 2)
        for pitch in pitches:
            hz = 440 * 2 ** ((pitch + 12 - 69) / 12)
            sound += inside * 0.1 * np.sin(2 * np.pi * hz * time)
    since = time % beat_seconds
    sound = sound * np.exp(-2 * since) + 0.4 * np.exp(-40 * since) * np.sin(2 * np.pi * 60 * since)
    return np.tile(sound, (2, 1)).astype(np.float32)


def make_item(folder, name, style="ballad"):
    beats = tuple(np.arange(0, SECONDS, 0.5).tolist())
    spans = tuple(ChordSpan(2.0 * k, 2.0 * k + 2, label) for k, (label, _) in enumerate(CHORDS))
    place = folder / "items" / name
    place.mkdir(parents=True)
    write_audio(place / "vocals.flac", Audio(sing(SECONDS), RATE))
    write_audio(place / "accompaniment.flac", Audio(band(), RATE))
    sheet = LeadSheet(beats=beats, downbeats=beats[::4], chords=spans, key="C:maj")
    item = Item(
        item_id=name, song_id=name[:-3], source="test", split="train", style=style,
        num_samples=round(SECONDS * RATE), sample_rate=RATE, lead_sheet=sheet, start_seconds=0.0,
        transposition=0, tempo_factor=1.0, seed=0, soundfont="none", licence="CC0-1.0",
        attribution="</script> & nobody", sha256={},
    )  # fmt: skip
    write_item(place, item)
    return item
