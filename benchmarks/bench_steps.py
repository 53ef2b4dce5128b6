"""What few steps cost: a guided denoiser at several numbers of steps beside its student of four.

Bands of held-out songs are sampled in latents from the same noise: by the teacher, with guidance
and second-order steps, and by the student, at one evaluation a step; once with everything given and
once from the voice alone. Measured is what the steps change: the Fréchet distance of the latents
from the true bands', how often the loudest triad of the decoded tones is the song's chord, the
agreement of their chroma with the true band's, the latents' spread (blur lowers it), and how far
they are from the teacher's at many steps from the same noise. The true bands and those of other
songs show the scale. One JSON line for each run is appended to `benchmarks/results/steps.jsonl`.

    python benchmarks/bench_steps.py --data work/cache --student runs/distill/final.ckpt
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_ablation import share_followed
from numpy.typing import NDArray
from records import append_record, commit

from banso import conditioning as c
from banso.bundle import load_bundle
from banso.codec.parameters import Parameters, expand
from banso.config import SamplerConfig
from banso.data.cache import Example, load_cache
from banso.data.dataset import padded
from banso.eval.frechet import Moments, added, frechet_distance, frechet_interval, moments_of
from banso.eval.statistics import mean_interval
from banso.generation import EvaluationCount, guided, sampled
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork
from banso.train.listening import TorchDenoiser
from banso.train.loop import load_codec, load_denoiser, load_settings

RESULTS = Path(__file__).parent / "results" / "steps.jsonl"
SHIPPED = Path("src/banso/bundles/default")
CONDITIONS = {"given": c.KNOWN.start, "voice": c.VOCAL.stop}
MANY_STEPS = 32

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class System:
    """A network and how it is sampled.

    Attributes:
        name: For the table.
        network: Denoiser.
        config: Steps, guidance, levels.
    """

    name: str
    network: DenoiserNetwork
    config: SamplerConfig


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What is measured of one band.

    Attributes:
        moments: Of its latents.
        chords: Share of frames whose chord is the best triad.
        chroma: Mean cosine between its chroma and the true band's.
        spread: Standard deviation of the latents.
        distance: Root mean square difference from the teacher's latents at many steps.
        evaluations: Of the network.
        seconds: That sampling took.
    """

    moments: Moments
    chords: float
    chroma: float
    spread: float
    distance: float
    evaluations: int
    seconds: float


def systems_of(
    teacher: System, student: System | None, steps: Sequence[int], student_steps: Sequence[int]
) -> list[System]:
    """List the teacher at many steps, which all are compared with, and at few; then the student."""
    found = [_with_steps(teacher, number) for number in sorted({MANY_STEPS, *steps}, reverse=True)]
    if student is not None:
        few = replace(
            student.config,
            order=2, guidance_folded=False, guidance_scale=teacher.config.guidance_scale,
        )  # fmt: skip
        # What the student's levels alone are worth.
        found.append(System("teacher, levels of the student", teacher.network, few))
        found += [_with_steps(student, number) for number in student_steps]
    return found


def _with_steps(system: System, number: int) -> System:
    return replace(system, config=replace(system.config, num_steps=number))


def measure(
    systems: Sequence[System], examples: Sequence[Example], codec: CodecVAE, frames: int, kept: int
) -> dict[str, list[Scores]]:
    """Sample every song by every system.

    Args:
        systems: The first is what the others are compared with.
        examples: Whole bands.
        codec: Of the denoisers.
        frames: From the start of each song, a multiple of 16.
        kept: How many condition features are told.

    Returns:
        Scores of each song, by system and number of steps.
    """
    out: dict[str, list[Scores]] = {}
    songs = [_cut(example, frames) for example in examples]
    for index, (parameters, conditions) in enumerate(songs):
        conditioning = np.zeros((1, frames, c.NUM_CONDITIONS), np.float32)
        conditioning[0, :, :kept] = conditions[:, :kept]
        bands = [_sampled(system, conditioning, index) for system in systems]
        bands.append(Band("true", _encoded(codec, parameters)))
        bands.append(Band("another song", _encoded(codec, songs[index - 1][0])))
        for band in bands:
            packed = _decoded(codec, band.latents)
            far = np.square(band.latents - bands[0].latents).mean()
            scores = Scores(
                moments_of(band.latents[0]),
                share_followed(packed, conditions[:, c.CHORDS]),
                chroma_cosine(packed, parameters),
                float(band.latents.std()),
                float(np.sqrt(far)),
                band.evaluations,
                band.seconds,
            )
            out.setdefault(band.name, []).append(scores)
        print(f"  {index + 1} of {len(songs)}", flush=True)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Latents [1, frames, channels] of a song, and what they cost."""

    name: str
    latents: Array
    evaluations: int = 0
    seconds: float = 0.0


def _sampled(system: System, conditioning: Array, seed: int) -> Band:
    """Sample a song; the same seed is the same noise for every system."""
    count, start = EvaluationCount(), time.monotonic()
    network = guided(TorchDenoiser(system.network), conditioning, system.config, count)
    shape = (1, conditioning.shape[1], system.network.config.num_channels)
    noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
    latents = sampled(network, noise, system.config)
    name = f"{system.name}, {system.config.num_steps} steps"
    return Band(name, latents, count.num_evaluations, time.monotonic() - start)


def _cut(example: Example, frames: int) -> tuple[Array, Array]:
    return padded(example.parameters[:frames], frames), padded(example.conditions[:frames], frames)


@torch.no_grad()
def _encoded(codec: CodecVAE, parameters: Array) -> Array:
    return np.asarray(codec.encode(torch.from_numpy(parameters)[None]).numpy())


@torch.no_grad()
def _decoded(codec: CodecVAE, latents: Array) -> Array:
    return np.asarray(codec.decode(torch.from_numpy(latents))[0].numpy())


def chroma_cosine(packed: Array, true: Array) -> float:
    """Mean cosine between the pitch classes of two bands, packed parameters [frames, 448].

    Frames in which the true one has no tone are left out.
    """
    a, b = (
        expand(Parameters.from_array(rows).tone_level).mean(axis=1).reshape(len(rows), -1, 12)
        for rows in (packed, true)
    )
    one, other = a.sum(axis=1), b.sum(axis=1)
    tonal = np.linalg.norm(other, axis=1) > 1e-3
    dots = (one * other).sum(axis=1)[tonal]
    norms = (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))[tonal]
    return float((dots / (norms + 1e-9)).mean())


def rows_of(measured: dict[str, list[Scores]]) -> Iterator[dict[str, Any]]:
    """Yield means over the songs, with 95 % intervals, of each system."""
    true = [scores.moments for scores in measured["true"]]
    for name, songs in measured.items():
        moments = [song.moments for song in songs]
        frechet = frechet_interval(true, moments)
        row: dict[str, Any] = {
            "system": name,
            "evaluations": songs[0].evaluations,
            "frechet": round(frechet_distance(added(true), added(moments)), 3),
            "frechet_interval": [round(frechet.low, 3), round(frechet.high, 3)],
        }
        for metric in ("chords", "chroma", "spread", "distance", "seconds"):
            found = mean_interval([getattr(song, metric) for song in songs])
            row[metric] = [round(v, 4) for v in (found.estimate, found.low, found.high)]
        yield row


def main() -> None:
    """Measure, print and append the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="cached items")
    parser.add_argument("--teacher", type=Path, default=SHIPPED, help="checkpoint or bundle")
    parser.add_argument("--student", type=Path, help="checkpoint or bundle")
    parser.add_argument("--codec", type=Path, help="checkpoint or bundle; default: the teacher")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--songs", type=int, default=12)
    parser.add_argument("--frames", type=int, default=1024)
    parser.add_argument("--steps", type=int, nargs="*", default=[1, 2, 4, 9, 16])
    parser.add_argument("--student-steps", type=int, nargs="*", default=[1, 2, 4, 8])
    options = parser.parse_args()
    teacher = opened("teacher", options.teacher)
    student = opened("student", options.student) if options.student else None
    codec = load_codec(options.codec or options.teacher)
    whole = [e for e in load_cache(options.data, options.split) if e.others is None]
    systems = systems_of(teacher, student, options.steps, options.student_steps)
    for name, kept in CONDITIONS.items():
        print(name, flush=True)
        measured = measure(systems, whole[: options.songs], codec, options.frames, kept)
        rows = list(rows_of(measured))
        for row in rows:
            print(json.dumps(row), flush=True)
        record = {
            "commit": commit(), "teacher": str(options.teacher), "student": str(options.student),
            "data": str(options.data), "split": options.split, "told": name,
            "songs": len(measured["true"]), "frames": options.frames, "rows": rows,
            "cores": os.cpu_count(), "torch": torch.__version__,
        }  # fmt: skip
        append_record(RESULTS, record)


def opened(name: str, path: Path) -> System:
    """Load a denoiser and how it is sampled, from a checkpoint or the folder of a bundle."""
    bundled = path.is_dir()
    config = load_bundle(path).manifest.sampler if bundled else load_settings(path).sampler
    return System(name, load_denoiser(path), config)


if __name__ == "__main__":
    main()
