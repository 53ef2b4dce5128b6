"""The codec of a bundle beside Opus: on held-out bands, and on stems of released songs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from banso.errors import AudioError
from banso.eval.codecs import Clip, Roundtrip, codec_table, compare_codecs, opus_codecs
from banso.eval.report import write_json
from banso.eval.sets import load_items
from banso.eval.stems import STEM_RATE, load_stem_song

_CLIP_SECONDS = 40
_CLIP_START_SECONDS = 90


def report_codec(
    roundtrips: Mapping[str, Roundtrip], clips: Sequence[Clip], out: Path, name: str
) -> str:
    """Compare codecs with Opus at 24, 32 and 48 kbit/s and write the scores.

    Args:
        roundtrips: By name, what maps a waveform [2, samples] at 44.1 kHz to what a codec makes
            of it.
        clips: Held-out recordings.
        out: Folder; gets `NAME.json` and `NAME.md`.
        name: Of the report.

    Returns:
        The Markdown table.
    """
    scores = compare_codecs(clips, {**roundtrips, **opus_codecs()})
    text = codec_table(scores)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    content = {
        codec: {clip: asdict(row) for clip, row in rows.items()} for codec, rows in scores.items()
    }
    write_json(content, out / f"{name}.json")
    return text


def band_clips(data: Path, limit: int | None = None) -> list[Clip]:
    """Held-out bands with their scores."""
    return [
        Clip(name=item.name, samples=item.read_accompaniment(), sheet=item.sheet)
        for item in load_items(data, split="test", limit=limit)
        if item.read_accompaniment is not None
    ]


def stem_clips(folders: Sequence[Path]) -> list[Clip]:
    """Forty seconds from the middle of each song's band.

    Raises:
        AudioError: If a song is too short.
    """
    clips = []
    for folder in folders:
        song = load_stem_song(folder)
        start = _CLIP_START_SECONDS * STEM_RATE
        samples = song.accompaniment[:, start : start + _CLIP_SECONDS * STEM_RATE]
        if samples.shape[1] < STEM_RATE:
            raise AudioError(f"{folder.name} is shorter than {_CLIP_START_SECONDS + 1} s")
        clips.append(Clip(name=song.name, samples=np.ascontiguousarray(samples)))
    return clips
