"""Tiny songs for listening tests: beeps as voices, tones as bands, one pitch per system."""

import numpy as np

from banso.audio import Audio
from banso.eval.listening import ListeningItem

RATE = 44_100
# Best first; what a listener of the tests prefers.
SYSTEMS = ("true", "ours_given", "baseline", "shuffled")


def tone(hz, seconds, level=0.2):
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def voice(seconds=4.0):
    """Beeps at 700 Hz, silent in the first quarter."""
    sound = tone(700, seconds)
    sound[: len(sound) // 4] = 0
    return Audio(sound[None], RATE)


def band(system, seconds=4.0, level=0.2):
    """A tone whose pitch tells the system: 200, 250, 300 Hz …."""
    return Audio(tone(200 + 50 * SYSTEMS.index(system), seconds, level)[None], RATE)


def songs(count=3, seconds=4.0):
    def bands(number):
        # Levels differ on purpose; clips must not.
        return {
            system: lambda system=system, level=0.05 * (k + 1 + number): band(
                system, seconds, level
            )
            for k, system in enumerate(SYSTEMS)
        }

    return [
        ListeningItem(
            name=f"song-{number}", read_vocals=lambda: voice(seconds), bands=bands(number)
        )
        for number in range(count)
    ]
