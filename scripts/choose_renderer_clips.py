"""Cut clips of many songs for training the codec's renderer, as Opus, small enough to carry.

    python scripts/choose_renderer_clips.py --items work/bands/items --stems SONG --out clips

Rendered bands: one clip of each training song, styles by turns. Released songs: clips spread over
the song. Clips whose names begin with `held-` are only measured on: bands of validation songs, and
one clip of the last released song. At 96 kbit/s the log-mel distance of a clip to its original is
0.5 dB mid and 0.8 dB side, a sixth of what the codec's own is; an hour takes 43 MB.
"""

import argparse
import hashlib
from collections import defaultdict
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from banso.data.manifest import Item, read_item
from banso.eval.hearing import Array
from banso.eval.stems import STEM_RATE, decode_with_ffmpeg, load_stem_song, run_ffmpeg

LEAST_RMS = 0.01  # quieter places of a song teach little
HELD = "held-"


def main() -> None:
    """Parse the command line and write the clips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=Path, required=True, help="folder of prepared items")
    parser.add_argument("--stems", type=Path, nargs="*", default=[], help="folders of songs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--clips", type=int, default=45, help="of rendered bands")
    parser.add_argument("--held", type=int, default=2, help="bands that are only measured on")
    parser.add_argument("--clips-per-song", type=int, default=5, help="of each released song")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each clip")
    parser.add_argument("--kbits", type=int, default=96, help="kbit/s")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    length = round(arguments.seconds * STEM_RATE)
    wanted = {"train": ("", arguments.clips), "validation": (HELD, arguments.held)}
    for split, (prefix, count) in wanted.items():
        for folder in chosen_items(arguments.items, split, count):
            samples = decode_with_ffmpeg(folder / "accompaniment.flac")
            target = arguments.out / f"{prefix}{folder.name}.opus"
            write_opus(samples[:, :length], target, arguments.kbits)
    for song in arguments.stems:
        samples = load_stem_song(song).accompaniment
        starts = spread_starts(samples, length, arguments.clips_per_song)
        for index, start in enumerate(starts):
            held = HELD if song == arguments.stems[-1] and index == len(starts) // 2 else ""
            target = arguments.out / f"{held}{song.name}-{index:02d}.opus"
            write_opus(samples[:, start : start + length], target, arguments.kbits)


def chosen_items(items: Path, split: str, count: int) -> list[Path]:
    """Folders of items of different songs, styles by turns."""
    by_style: dict[str, dict[str, Path]] = defaultdict(dict)
    found = [(read_item(path.parent), path.parent) for path in items.glob("*/item.json")]
    seen = set()
    for item, folder in sorted(found, key=lambda pair: _shuffled(pair[0])):
        if item.split == split and item.song_id not in seen:
            seen.add(item.song_id)
            by_style[item.style][item.song_id] = folder
    turns = zip_longest(*(songs.values() for songs in by_style.values()))
    return [folder for folder in chain.from_iterable(turns) if folder is not None][:count]


def spread_starts(samples: Array, length: int, count: int) -> list[int]:
    """First samples of clips spread over a song, where it is not almost silent."""
    starts = range(0, samples.shape[1] - length + 1, length)
    loud = [s for s in starts if np.sqrt(np.mean(samples[:, s : s + length] ** 2)) > LEAST_RMS]
    picked = np.linspace(0, len(loud) - 1, min(count, len(loud))).round().astype(int)
    return [loud[index] for index in picked]


def write_opus(samples: Array, target: Path, kbits: int) -> None:
    """Encode [2, samples] at 44.1 kHz."""
    raw = ["-f", "f32le", "-ar", str(STEM_RATE), "-ac", "2", "-i", "pipe:0"]
    data = np.ascontiguousarray(samples.T, dtype="<f4").tobytes()
    run_ffmpeg([*raw, "-c:a", "libopus", "-b:a", f"{kbits}k", "-y", str(target)], data=data)


def _shuffled(item: Item) -> str:
    return hashlib.sha256(item.item_id.encode()).hexdigest()


if __name__ == "__main__":
    main()
