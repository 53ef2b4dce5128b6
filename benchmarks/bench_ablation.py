"""What each choice in the denoiser is worth: small networks trained alike but for one thing.

Every variant starts from scratch with the same seed, sees the same crops, noise and noise levels in
the same order, for the same number of steps, at a width that two cores can train in minutes; so
differences are paired, by song. What small networks show after little training need not hold for
large ones after much, but it is the same for all.

Measured on songs not trained on, with everything given and with the voice alone: the denoising
error (1 is a network that outputs nothing), averaged over fixed noise levels; and in bands sampled
with chords given, how often the loudest triad of the decoded tones is the chord asked for. On
recordings of real singers only the error with the voice alone, since there is no score.

    banso prepare stems --root pairs --out work/real && banso prepare cache --items work/real …
    python benchmarks/bench_ablation.py --data work/cache --real work/real-cache
"""

import argparse
import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from banso import conditioning as c
from banso.codec.parameters import Parameters, expand
from banso.config import DenoiserConfig, TrainConfig
from banso.data.cache import Example, load_cache, load_vocals
from banso.data.dataset import CropDataset, padded, triads
from banso.eval.statistics import mean_interval
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork, keep_known
from banso.model.diffusion import denoising_loss, draw_sigmas
from banso.sampler import sample
from banso.schedule import karras_sigmas
from banso.train.listening import TorchDenoiser
from banso.train.loop import load_codec
from banso.train.module import Batch, assemble_batch, auxiliary_losses

RESULTS = Path(__file__).parent / "results" / "ablation"
# A third of the shipped network's width, one head less deep.
SMALL = DenoiserConfig(
    encoder_dim=96, encoder_layers=2, full_dim=64, half_dim=96, quarter_dim=128, quarter_layers=3
)
TRAINING = TrainConfig(batch_size=8, crop_frames=512, drop_chords=0.4, drop_beats=0.4,
                       drop_others=1.0, keep_known=0.2)  # fmt: skip
LEARNING_RATE = 2e-3
WARMUP_STEPS, FALL_SHARE, AVERAGING = 30, 0.4, 0.99
LEVELS = (0.1, 0.3, 1.0, 3.0, 10.0)
SAMPLING_STEPS, SAMPLED_SONGS = 8, 12
CROPS_A_SONG = 2

Array = NDArray[np.float32]
Stored = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table.

    Attributes:
        config: Of the network.
        hears_latents: Whether it hears the voice as the codec's latents instead of as features.
        seed: Of weights, crops and noise.
    """

    config: DenoiserConfig = SMALL
    hears_latents: bool = False
    seed: int = 0


VARIANTS = {
    "default": Variant(),
    "default, other seed": Variant(seed=1),
    "mixing reversed, as SAMUeL's code": Variant(replace(SMALL, mixing="scheduled_reverse")),
    "mixing learned": Variant(replace(SMALL, mixing="learned")),
    "mixing fixed at a half": Variant(replace(SMALL, mixing="fixed")),
    "local view only": Variant(replace(SMALL, mixing="local_only")),
    "global view only": Variant(replace(SMALL, mixing="global_only")),
    "no RoPE": Variant(replace(SMALL, rope=False)),
    "global view only, no RoPE": Variant(replace(SMALL, mixing="global_only", rope=False)),
    "FiLM averaged over time": Variant(replace(SMALL, film="song")),
    "hears the voice's latents": Variant(hears_latents=True),
}


class Hearing:
    """Conditioning of batches, with the voice as features or as latents in their place.

    Args:
        codec: Makes latents.
        vocals: Voices as packed parameters, by item; None to hear features.
    """

    def __init__(self, codec: CodecVAE, vocals: Mapping[str, Stored] | None) -> None:
        self._codec = codec
        self.vocals = vocals

    def examples(self, examples: Sequence[Example]) -> list[Example]:
        """Put each voice where a batch takes it along, transposed with the rest."""
        if self.vocals is None:
            return list(examples)
        return [replace(e, others=self.vocals[e.item_id]) for e in examples]

    @torch.no_grad()
    def conditioning(self, batch: Batch, latents: Tensor) -> Tensor:
        """Conditioning [batch, frames, NUM_CONDITIONS]."""
        if self.vocals is not None:
            given = batch["conditions"].clone()
            voice = self._codec.encode(batch["others"]).float()
            heard = torch.zeros_like(given[..., c.VOCAL])
            heard[..., 0] = given[..., c.VOCAL.start]
            heard[..., 1 : 1 + voice.shape[-1]] = voice * heard[..., :1]
            given[..., c.VOCAL] = heard
            batch = {**batch, "conditions": given}
        deaf = {**batch, "hears_others": torch.zeros_like(batch["hears_others"])}
        return assemble_batch(deaf, latents, torch.zeros_like(latents))

    @torch.no_grad()
    def latents(self, parameters: Tensor) -> Tensor:
        """Latents [batch, frames, channels] of a band."""
        return self._codec.encode(parameters).float()


def train(
    variant: Variant, examples: Sequence[Example], hearing: Hearing, num_steps: int
) -> DenoiserNetwork:
    """Train from scratch; return averaged weights."""
    torch.manual_seed(variant.seed)
    network = DenoiserNetwork(variant.config)
    average = copy.deepcopy(network).requires_grad_(False)
    config = replace(TRAINING, seed=variant.seed)
    batches = CropDataset(hearing.examples(examples), config, num_steps, augment=True)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, betas=(0.9, 0.98))
    start = time.monotonic()
    for step in range(num_steps):
        fall = min(1.0, (1 - step / num_steps) / FALL_SHARE)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1, (step + 1) / WARMUP_STEPS) * fall
        batch = batches[step]
        # Whatever a variant draws on the way, the next step's noise is the same for all.
        torch.manual_seed(1_000_003 * variant.seed + step)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network, batch, hearing)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay = min(AVERAGING, (1 + step) / (10 + step))
        for mean, value in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(value.detach(), 1 - decay)
        if step % 100 == 99:
            print(f"  {step + 1} steps, {time.monotonic() - start:.0f} s, loss {loss:.3f}",
                  flush=True)  # fmt: skip
    return average.eval()


def loss_of(network: DenoiserNetwork, batch: Batch, hearing: Hearing) -> Tensor:
    """Denoising error and the errors in naming chords and beats, as the denoiser is trained."""
    latents = hearing.latents(batch["parameters"])
    conditioning = hearing.conditioning(batch, latents)
    sigma = draw_sigmas(len(latents), TRAINING.sigma_mean, TRAINING.sigma_std, latents.device)
    encoding = network.encoder(conditioning)

    def denoise(noisy: Tensor, level: Tensor) -> Tensor:
        return keep_known(network.hourglass(noisy, level, encoding), conditioning)

    error = denoising_loss(denoise, latents, sigma, batch["known"]).mean()
    harmony, pulse = auxiliary_losses(encoding, batch["truth"])
    return error + TRAINING.auxiliary_weight * (harmony + pulse)


@torch.no_grad()
def errors(
    network: DenoiserNetwork, examples: Sequence[Example], hearing: Hearing, kept: int
) -> list[float]:
    """Denoising error of each song with the first `kept` conditions, mean over noise levels."""
    out = []
    for example in hearing.examples(examples):
        batch = middle_crops(example, kept)
        latents = hearing.latents(batch["parameters"])
        conditioning = hearing.conditioning(batch, latents)
        encoding = network.encoder(conditioning)
        found = []
        for number, level in enumerate(LEVELS):
            torch.manual_seed(number)
            sigma = torch.full((len(latents),), level)
            found.append(
                denoising_loss(
                    lambda noisy, s: network.hourglass(noisy, s, encoding),  # noqa: B023
                    latents, sigma, batch["known"],
                ).mean()
            )  # fmt: skip
        out.append(float(torch.stack(found).mean()))
    return out


@torch.no_grad()
def chords_followed(
    network: DenoiserNetwork, examples: Sequence[Example], hearing: Hearing, codec: CodecVAE
) -> list[float]:
    """Share of frames with a chord whose triad is the loudest in the sampled band, by song."""
    out = []
    for number, example in enumerate(hearing.examples(examples)[:SAMPLED_SONGS]):
        batch = {name: value[:1] for name, value in middle_crops(example, c.KNOWN.start).items()}
        shape = hearing.latents(batch["parameters"]).shape
        conditioning = hearing.conditioning(batch, torch.zeros(shape)).numpy()
        noise = np.random.default_rng(number).standard_normal(shape, dtype=np.float32)
        sigmas = karras_sigmas(SAMPLING_STEPS, 0.15, 40.0, 7.0)
        latents = sample(TorchDenoiser(network).condition(conditioning), noise, sigmas)
        packed = codec.decode(torch.from_numpy(latents))[0].numpy()
        out.append(share_followed(packed, batch["truth"][0, :, c.CHORDS].numpy()))
    return out


def share_followed(packed: Array, chords: Array) -> float:
    """Share of frames whose chord is the best triad of the tones summed over the chord's span."""
    asked = triads(chords)
    amplitude = expand(Parameters.from_array(packed).tone_level).mean(axis=1)
    classes = amplitude.reshape(len(amplitude), -1, 12).sum(axis=1)
    bounds = np.flatnonzero(np.diff(asked, prepend=-1, append=-1))
    right = total = 0
    for start, end in pairwise(bounds):
        if asked[start] == 24 or end - start < 4:
            continue
        tones = classes[start:end].mean(axis=0)
        shapes = [tones[[r, (r + third) % 12, (r + 7) % 12]].sum() for third in (4, 3)
                  for r in range(12)]  # fmt: skip
        right += (end - start) * (int(np.argmax(shapes)) == asked[start])
        total += end - start
    return right / total if total else float("nan")


def middle_crops(example: Example, kept: int) -> Batch:
    """Crops of a song at fixed places, everything in them but conditions from `kept` on."""
    size = TRAINING.crop_frames
    places = np.linspace(0, max(len(example.parameters) - size, 0), CROPS_A_SONG).astype(int)

    def cut(rows: NDArray[np.float16]) -> Tensor:
        crops = [padded(rows[place : place + size], size) for place in places]
        return torch.from_numpy(np.stack(crops).astype(np.float32))

    truth = cut(example.conditions)
    given = truth.clone()
    given[..., kept:] = 0
    others = np.zeros_like(example.parameters) if example.others is None else example.others
    return {
        "parameters": cut(example.parameters),
        "conditions": given,
        "truth": truth,
        "known": torch.zeros(len(places), size, dtype=torch.bool),
        "parts": torch.zeros(len(places), 1 + len(c.PART_NAMES)),
        "others": cut(others),
        "hears_others": torch.zeros(len(places), dtype=torch.bool),
    }


def load_set(folder: Path) -> tuple[list[Example], dict[str, Stored]]:
    """Whole bands whose voices are encoded too, and the voices by item."""
    examples, vocals = [], {}
    for example in load_cache(folder):
        voice = load_vocals(folder, example.item_id)
        if voice is not None and example.others is None:
            size = len(example.parameters)
            examples.append(replace(example, parts=c.PART_NAMES))
            vocals[example.item_id] = padded(voice[:size], size).astype(np.float16)
    return examples, vocals


def table(results: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Markdown: means, and for errors the paired difference from the default with its interval."""
    columns = ("given", "vocal", "real", "followed")
    heads = ("error, all given", "error, voice alone", "error, real voice alone", "chords followed")
    lines = ["| variant | " + " | ".join(heads) + " |", "|---|" + "---|" * len(columns)]
    base = results["default"]
    for name, scores in results.items():
        cells = []
        for column in columns:
            values = np.array(scores.get(column, []), dtype=float)
            if not len(values):
                cells.append("–")
                continue
            cell = f"{np.nanmean(values):.3f}"
            if name != "default":
                d = mean_interval(list(values - np.array(base[column])))
                cell += f" ({d.estimate:+.3f}, {d.low:+.3f} to {d.high:+.3f})"
            cells.append(cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train and measure what is not in the results yet, and write them after every variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="cached items, voices too")
    parser.add_argument("--real", type=Path, help="cached pairs of real singers, voices too")
    parser.add_argument("--codec", type=Path, default=Path("src/banso/bundles/default"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="*", help="names of variants; all by default")
    options = parser.parse_args()
    codec = load_codec(options.codec).requires_grad_(False)
    every, voices = load_set(options.data)
    training = [e for e in every if e.split == "train"]
    validation = [e for e in every if e.split == "validation"]
    real, real_voices = load_set(options.real) if options.real else ([], {})
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "ablation.json"
    record = json.loads(path.read_text()) if path.exists() else {"results": {}}
    record |= {"steps": options.steps, "songs": len(training), "validation_songs": len(validation),
               "real_pairs": len(real)}  # fmt: skip
    for name in options.only or VARIANTS:
        if name in record["results"]:
            continue
        variant = VARIANTS[name]
        print(name, flush=True)
        hearing = Hearing(codec, {**voices, **real_voices} if variant.hears_latents else None)
        network = train(variant, training, hearing, options.steps)
        record["results"][name] = {
            "given": errors(network, validation, hearing, c.KNOWN.start),
            "vocal": errors(network, validation, hearing, c.VOCAL.stop),
            "real": errors(network, real, hearing, c.VOCAL.stop),
            "followed": chords_followed(network, validation, hearing, codec),
        }
        record["parameters"] = network.num_parameters
        path.write_text(json.dumps(record, indent=1) + "\n")
        if "default" in record["results"]:
            (options.out / "ablation.md").write_text(table(record["results"]))


if __name__ == "__main__":
    main()
