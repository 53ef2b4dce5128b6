"""Real voices, which have no true accompaniment: is what comes out sound music that fits them?

For each recording: is the band audible throughout, unclipped, free of clicks where windows meet,
in the voice's key, and does it play more at sung onsets than elsewhere? Bands made for the other
voices, put under this one, show what chance gives.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from banso.audio import Audio
from banso.eval.fidelity import SeamExcess, pool_seams, seam_clicks, seam_energy
from banso.eval.hearing import hear
from banso.eval.making import seam_seconds
from banso.eval.metrics import key_agreement, onset_sync, sung_weights, vocal_onsets
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

_BLOCK_SECONDS = 1.0
_SILENT_DB = -60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceScores:
    """What was measured on one recording.

    Attributes:
        name: Of the recording.
        seconds: Its length.
        lufs: Loudness of the accompaniment.
        peak: Largest sample, full scale 1.
        silent_share: Share of one-second blocks of the band below -60 dBFS.
        seam_db: Sudden change where windows meet, relative to elsewhere; NaN with one window.
        seam_spread_db: Standard deviation of `seam_db` if its places were drawn at random.
        click_db: How far clicks stand out where windows meet, relative to elsewhere.
        click_spread_db: As above, of `click_db`.
        num_seams: How many windows follow another.
        key: MIREX-weighted agreement of keys.
        key_shuffled: The same, mean over the bands of the other voices.
        sync: Chance that the band has more of an onset where the voice has one; 0.5 is chance.
        sync_shuffled: The same, mean over the bands of the other voices.
    """

    name: str
    seconds: float
    lufs: float
    peak: float
    silent_share: float
    seam_db: float
    seam_spread_db: float
    click_db: float
    click_spread_db: float
    num_seams: int
    key: float
    key_shuffled: float
    sync: float
    sync_shuffled: float


def evaluate_voices(
    accompanist: Accompanist, voices: Sequence[tuple[str, Audio]], options: GenerationOptions
) -> list[VoiceScores]:
    """Accompany every voice and measure what comes out.

    Args:
        accompanist: The model.
        voices: Names and recordings; at least two.
        options: As for every use.

    Returns:
        One row for each voice, in order.
    """
    made = [accompanist.accompany(audio, options) for _, audio in voices]
    bands = [hear(m.audio.samples, m.audio.sample_rate) for m in made]
    rows = []
    for index, (name, audio) in enumerate(voices):
        heard = hear(audio.samples, audio.sample_rate)
        weights, onsets = sung_weights(heard), vocal_onsets(heard)
        keys = [key_agreement(band, weights) for band in bands]
        syncs = [onset_sync(band, onsets) for band in bands]
        others = [i for i in range(len(bands)) if i != index]
        samples = made[index].audio.samples
        places = seam_seconds(accompanist, samples.shape[1] / 44_100)
        seams, clicks = (f(samples, 44_100, places) for f in (seam_energy, seam_clicks))
        rows.append(
            VoiceScores(
                name=name,
                seconds=audio.duration_seconds,
                lufs=made[index].provenance.lufs,
                peak=float(np.abs(samples).max()),
                silent_share=_silent_share(samples, made[index].audio.sample_rate),
                seam_db=seams.db,
                seam_spread_db=seams.spread_db,
                click_db=clicks.db,
                click_spread_db=clicks.spread_db,
                num_seams=seams.num_seams,
                key=keys[index],
                key_shuffled=float(np.nanmean([keys[i] for i in others])),
                sync=syncs[index],
                sync_shuffled=float(np.nanmean([syncs[i] for i in others])),
            )
        )
    return rows


def write_voices(rows: Sequence[VoiceScores], out: Path) -> str:
    """Write `voices.json` and `voices.md` into a folder; return the Markdown."""
    names = [name for name in VoiceScores.__dataclass_fields__ if name != "name"]
    lines = [f"| voice | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in rows:
        lines.append(
            f"| {row.name} | " + " | ".join(f"{getattr(row, n):.2f}" for n in names) + " |"
        )
    means = {name: np.nanmean([getattr(row, name) for row in rows]) for name in names}
    # A recording with one seam says less than one with seven.
    seams = pool_seams([SeamExcess(r.seam_db, r.seam_spread_db, r.num_seams) for r in rows])
    clicks = pool_seams([SeamExcess(r.click_db, r.click_spread_db, r.num_seams) for r in rows])
    means |= {"seam_db": seams.db, "seam_spread_db": seams.spread_db, "num_seams": seams.num_seams}
    means |= {"click_db": clicks.db, "click_spread_db": clicks.spread_db}
    lines.append("| **mean** | " + " | ".join(f"{mean:.2f}" for mean in means.values()) + " |")
    text = "\n".join(lines) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "voices.md").write_text(text, encoding="utf-8")
    content = json.dumps([asdict(row) for row in rows], indent=1)
    (out / "voices.json").write_text(content + "\n", encoding="utf-8")
    return text


def _silent_share(samples: np.ndarray, sample_rate: int) -> float:
    size = int(_BLOCK_SECONDS * sample_rate)
    blocks = max(1, samples.shape[1] // size)
    power = [np.mean(np.square(samples[:, i * size : (i + 1) * size])) for i in range(blocks)]
    return float(np.mean(10 * np.log10(np.array(power) + 1e-20) < _SILENT_DB))
