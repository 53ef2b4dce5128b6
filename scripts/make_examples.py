"""Make `docs/examples`: six songs, sung by banso's own singers, accompanied by the default bundle.

Each voice is sung from notes, handed to `banso accompany` as a user would, and the mix is written
as Ogg Vorbis beside a picture. Of a fixed number of seeds the program's own ranking chooses, no
ear. The files in `docs/examples` are replaced together, when all of them are made.

    pip install -c constraints.txt -e '.[train,eval,report]'
    python scripts/make_examples.py --voicebanks FOLDER     # with erithacus and dorodoro in it

Needs espeak-ng. Voices, lead sheets and full-quality results stay in `work/examples`.
"""

import argparse
import contextlib
import io
import json
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import soundfile
from example_songs import SONGS, ExampleSong
from numpy.typing import NDArray
from PIL import Image

from banso.chord_names import key_name_of
from banso.cli import app
from banso.data.sampled import sing_sampled
from banso.data.singer import sing
from banso.data.spoken import measure_spoken
from banso.data.studio import loaded_banks, measured_banks
from banso.data.voicebank import Bank
from banso.errors import DataError
from banso.eval.fit import Fit, measure_fit, rank
from banso.eval.hearing import hear
from banso.eval.metrics import estimate_key, unit_frames
from banso.eval.sung import hear_singing
from banso.leadsheet import LeadSheet

SAMPLE_RATE = 44_100
FIRST_SEED = 1
PICTURE_SIZE = (900, 675)
# Ogg Vorbis on libsndfile's scale, 0 best; measured: 73 kbit/s on one of these mixes.
COMPRESSION_LEVEL = 0.85
_LICENCES = {"erithacus": "CC BY 4.0, Erithacus Project", "dorodoro": "any use, Orcinus-Library"}

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One example as `examples.json` tells it; times in seconds, tempi in beats a minute."""

    name: str
    title: str
    source: str
    singer: str
    licence: str
    asks: str
    command: str
    seconds: float
    seed: int
    seeds_tried: int
    key_sung: str
    key_found: str
    bpm_sung: float
    bpm_found: float | None
    beats_per_bar_sung: int
    beats_per_bar_found: int
    bundle: str
    bundle_hash: str
    key_played: str = ""
    fit: float = 0.0
    fit_of_others: float = 0.0
    rank_of_own: float = 0.0


def sing_song(song: ExampleSong, banks: dict[str, Bank], seed: int) -> Array:
    """Sing a song by the singer that it names.

    Args:
        song: The song.
        banks: Measured voice banks by name.
        seed: Of the performance.

    Returns:
        Waveform [samples] at 44.1 kHz.

    Raises:
        DataError: If the singer is missing.
    """
    rng = np.random.default_rng(seed)
    notes, num_samples = song.notes(), round(song.seconds * SAMPLE_RATE)
    kind, _, name = song.singer.partition(":")
    if kind == "formants":
        return sing(notes, num_samples, sample_rate=SAMPLE_RATE, rng=rng, voice=song.voice)
    if kind == "espeak":
        bank = measure_spoken(name, sorted({note.lyric for note in notes}))
    elif name in banks:
        bank = banks[name]
    else:
        raise DataError(f"no usable voice bank '{name}'; give the folder that holds it")
    if song.syllables:
        own = [s for s in bank.syllables if s.alias.rsplit(" ", 1)[-1] in song.syllables]
        bank = replace(bank, syllables=tuple(own))
    return sing_sampled(
        notes, num_samples, sample_rate=SAMPLE_RATE, rng=rng, voice=song.voice, bank=bank
    )


def arguments(song: ExampleSong, num_seeds: int) -> list[str]:
    """Return what a user types after `banso` to get the like."""
    chosen = [word for name, value in song.options.items() for word in (f"--{name}", value)]
    plan = ["--plan", f"{song.name}.banso.txt"] if song.sheet else []
    seeds = ["--seed", str(FIRST_SEED)]
    seeds += ["--variations", str(num_seeds)] if num_seeds > 1 else []
    return ["accompany", f"{song.name}.flac", *chosen, *plan, *seeds]


def accompany(song: ExampleSong, work: Path, bundle: Path | None, num_seeds: int) -> dict[str, Any]:
    """Run the command on the voice in `work`; return what it tells.

    Raises:
        DataError: If it fails.
    """
    command = [*arguments(song, num_seeds), "--report", "--force", "--json"]
    command += [] if bundle is None else ["--bundle", str(bundle.absolute())]
    said = io.StringIO()
    # In this process, so that networks' and pictures' libraries are loaded once.
    with contextlib.chdir(work), contextlib.redirect_stdout(said):
        code = app(command, standalone_mode=False)
    if code:
        raise DataError(f"{song.name}: banso {shlex.join(command)} ended with {code}")
    told: dict[str, Any] = json.loads(said.getvalue())
    return told


def perform(
    song: ExampleSong, banks: dict[str, Bank], chosen: argparse.Namespace, seed: int
) -> Made:
    """Sing and accompany one song, and write its mix and picture for publishing."""
    work: Path = chosen.work
    voice = sing_song(song, banks, seed)
    soundfile.write(work / f"{song.name}.flac", voice, SAMPLE_RATE, subtype="PCM_16")
    if song.sheet:
        (work / f"{song.name}.banso.txt").write_text(song.lead_sheet(), encoding="utf-8")
    told = accompany(song, work, chosen.bundle, chosen.seeds)
    sheet = told["lead_sheet"]
    found = LeadSheet(beats=tuple(sheet["beats"]), downbeats=tuple(sheet["downbeats"]))
    kind, _, name = song.singer.partition(":")
    made = Made(
        name=song.name,
        title=song.title,
        source=song.source,
        singer={"formants": "formant synthesis", "bank": f"voice bank {name}"}.get(
            kind, f"espeak-ng's voice {name}"
        ),
        licence=_LICENCES.get(name, "CC0 1.0"),
        asks=song.asks,
        command=shlex.join(["banso", *arguments(song, chosen.seeds)]),
        seconds=round(told["seconds"], 3),
        seed=told["seed"],
        seeds_tried=chosen.seeds,
        key_sung=song.key,
        key_found=key_name_of(sheet["key"]) if sheet["key"] else "none",
        bpm_sung=song.bpm,
        bpm_found=None if found.tempo_bpm is None else round(found.tempo_bpm, 1),
        beats_per_bar_sung=song.beats_per_bar,
        beats_per_bar_found=found.beats_per_bar,
        bundle=told["bundle"]["name"],
        bundle_hash=told["bundle"]["hash"],
    )
    publish(made, work)
    return made


def publish(made: Made, work: Path) -> None:
    """Write the small mix and the small picture into `work/published`."""
    target = work / "published"
    mix, rate = soundfile.read(work / f"{made.name}.mix.wav", dtype="float32")
    with soundfile.SoundFile(
        target / f"{made.name}.ogg", "w", rate, 2, format="OGG", subtype="VORBIS",
        compression_level=COMPRESSION_LEVEL,
    ) as file:  # fmt: skip
        file.title = made.title
        file.license = f"voice: {made.licence}; tune: public domain"
        file.comment = (
            f"AI-generated accompaniment; bundle {made.bundle} {made.bundle_hash}; seed {made.seed}"
        )
        for start in range(0, len(mix), rate):  # whole songs at once overflow libvorbis' stack
            file.write(mix[start : start + rate])
    with Image.open(work / f"{made.name}.report.png") as picture:
        small = picture.convert("RGB").resize(PICTURE_SIZE, Image.Resampling.LANCZOS)
        small.quantize(64).save(target / f"{made.name}.png", optimize=True)


def compared(made: list[Made], work: Path) -> list[Made]:
    """Measure how well each band fits its own voice, and how well the bands of the others do.

    The fit is `banso.eval.fit`: mean of sung notes in the chord played, consonance, common onsets.
    """
    bands = [hear(*_sound(work / f"{m.name}.accompaniment.wav")) for m in made]
    results = []
    for index, one in enumerate(made):
        voice = hear_singing(*_sound(work / f"{one.name}.flac"))
        fits = [measure_fit(voice, band) for band in bands]
        own = fits.pop(index)
        others = fmean(_mean(fit) for fit in fits)
        results.append(
            replace(
                one,
                key_played=key_name_of(estimate_key(unit_frames(bands[index].chroma).sum(axis=0))),
                fit=round(_mean(own), 3),
                fit_of_others=round(others, 3),
                rank_of_own=rank(own, fits),
            )
        )
    return results


def _mean(fit: Fit) -> float:
    return (fit.in_chord + fit.consonance + fit.sync) / 3


def _sound(path: Path) -> tuple[Array, int]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples.T, rate


def page(made: list[Made]) -> str:
    """Return `docs/examples/README.md`."""
    first = made[0]
    rows = "\n".join(_row(one) for one in made)
    commands = "\n".join(one.command for one in made)
    parts = "\n\n".join(
        f"### {one.title}\n\n{one.source}. [{one.name}.ogg]({one.name}.ogg)\n\n"
        f"![{_caption(one)}]({one.name}.png)"
        for one in made
    )
    return _PAGE.format(
        bundle=first.bundle, hash=first.bundle_hash, seeds=_seeds(first.seeds_tried), rows=rows,
        commands=commands, parts=parts,
        own=fmean(one.fit for one in made), others=fmean(one.fit_of_others for one in made),
        firsts=sum(one.rank_of_own == 1 for one in made), count=len(made),
    )  # fmt: skip


def _seeds(number: int) -> str:
    if number == 1:
        return f"Each is the only one that was made with these settings, with seed {FIRST_SEED}."
    last = FIRST_SEED + number - 1
    return (
        f"Each was made with {number} seeds ({FIRST_SEED} to {last}), of which the program's own\n"
        "ranking (`--variations`) chose one; nobody chose by ear."
    )


def _row(one: Made) -> str:
    found = "none" if one.bpm_found is None else f"{one.bpm_found:g}"
    return (
        f"| [{one.title}]({one.name}.ogg) | {one.singer} ({one.licence}) | {one.asks} | "
        f"{one.key_sung} → {one.key_found} → {one.key_played} | {one.bpm_sung:g} → {found} | "
        f"{one.beats_per_bar_sung} → {one.beats_per_bar_found} | {one.seed} | "
        f"{one.fit:.2f} | {one.fit_of_others:.2f} |"
    )


def _caption(one: Made) -> str:
    return f"{one.title}: voice, band, sung pitch, chords and the band's chroma over time"


_PAGE = """# Six examples

<!-- Written by scripts/make_examples.py; do not edit. -->

Voice and band together, as `banso accompany` mixes them. The voices are sung by banso's own singers
from notes; the tunes and words are in the public domain. Bundle **{bundle}**, hash `{hash}`.

{seeds}
After a first round with seed 1 and banso-0.3 two songs were told more: the lullaby, which had been
heard in four, its three beats; "Drunken Sailor", heard at half its tempo, a progression in bars
twice as long (with the tempo given, its bars had begun two beats late). All settings and figures
are in [examples.json](examples.json).

| Song | Singer (licence) | Shows | Key | Tempo | Beats a bar | Seed | Fit | Others' |
|---|---|---|---|---|---|---|---|---|
{rows}

Key, tempo and beats: as sung → as planned, which the band obeys (what was given, or else what was
heard in the voice); and the key that is heard in the band. *Fit* is the mean of
three shares, 0 to 1: sung notes in the chord that the band plays, consonance, common onsets
(`banso.eval.fit`); *others'* is the same for the bands of the other songs under this voice. On
average {own:.2f} against {others:.2f}; {firsts} of {count} voices fit their own band best.

## Make the like

```sh
python scripts/make_examples.py --voicebanks FOLDER
cd work/examples
{commands}
```

The first command makes the voices and lead sheets that the others read, and all that is here.

## Pictures

{parts}
"""


def replace_published(work: Path, out: Path) -> None:
    """Put the new files in the place of all old ones."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        if old.suffix in (".ogg", ".png", ".json", ".md"):
            old.unlink()
    for new in sorted((work / "published").iterdir()):
        (out / new.name).write_bytes(new.read_bytes())
        print(f"{out / new.name}: {new.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Make all examples."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--voicebanks", type=Path, required=True, help="folder of voice banks")
    parser.add_argument("--bundle", type=Path, help="the default one otherwise")
    parser.add_argument("--work", type=Path, default=Path("work/examples"))
    parser.add_argument("--out", type=Path, default=Path("docs/examples"))
    parser.add_argument("--seed", type=int, default=0, help="of the singers")
    parser.add_argument("--seeds", type=int, default=3, help="bands to choose from for each song")
    chosen = parser.parse_args()
    published = chosen.work / "published"
    published.mkdir(parents=True, exist_ok=True)
    for old in published.iterdir():
        old.unlink()
    banks = {
        bank.name: bank
        for bank in loaded_banks(measured_banks(chosen.work, chosen.voicebanks, spoken=False))
    }
    made = []
    for index, song in enumerate(SONGS):
        made.append(perform(song, banks, chosen, chosen.seed + index))
        print(f"{song.name}: {made[-1].seconds:.1f} s, seed {made[-1].seed}", flush=True)
    made = compared(made, chosen.work)
    text = json.dumps([asdict(one) for one in made], indent=1, ensure_ascii=False)
    (published / "examples.json").write_text(text + "\n", encoding="utf-8")
    (published / "README.md").write_text(page(made), encoding="utf-8")
    replace_published(chosen.work, chosen.out)


if __name__ == "__main__":
    main()
