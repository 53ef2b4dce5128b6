"""Learn which places of a bar sung notes like: trains the table that `banso.pulse` reads.

    python scripts/learn_pulse.py --voices work/voices --out src/banso/tables/pulse.npz

The voices are what `banso prepare voices` makes. The network sees every possible pulse of a voice
at once and learns which pulse, and which rotation of its bar, the score has; cross-entropy.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from banso import conditioning as c
from banso import features
from banso import pulse_candidates as pc
from banso.data.cache import load_cache
from banso.onsets import SungEvents, find_events

FRAME_RATE = features.SAMPLE_RATE / features.HOP_LENGTH
WIDTHS = {"first": 9, "second": 13, "third": 25}
DIM = 48
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """Sung events with the score's downbeats and mean period."""

    split: str
    events: SungEvents
    downbeats: Floats
    period: float


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Candidates of a voice, which of them is right (-1: none), and where its downbeat is."""

    candidates: pc.Candidates
    right: int
    place: float


class Network(nn.Module):
    """What `pulse.PulseTable` computes, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        inputs = pc.NUM_CLASSES + pc.NUM_SCALARS
        self.layers = nn.ModuleDict(
            {
                name: nn.Conv1d(
                    inputs if name == "first" else DIM, DIM, width,
                    padding=width // 2, padding_mode="circular",
                )
                for name, width in WIDTHS.items()
            }
        )  # fmt: skip
        self.out = nn.Linear(DIM, 1)

    def forward(self, bars: Tensor, scalars: Tensor) -> Tensor:
        """Logits [candidates, bins] of bars [candidates, bins, classes]."""
        told = scalars[:, None].expand(-1, pc.NUM_BINS, -1)
        x = torch.cat([bars, told], dim=-1).transpose(1, 2)
        x = nn.functional.gelu(self.layers["first"](x), approximate="tanh")
        for name in ("second", "third"):
            x = x + nn.functional.gelu(self.layers[name](x), approximate="tanh")
        out: Tensor = self.out(x.transpose(1, 2))[..., 0]
        return out

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """Weights as `pulse.PulseTable` wants them."""
        found = {"out": self.out.weight.T, "out_bias": self.out.bias}
        for name in WIDTHS:
            layer = self.layers[name]
            found[name] = layer.weight.permute(2, 1, 0).flatten(0, 1)
            found[f"{name}_bias"] = layer.bias
        return {name: value.detach().numpy().astype(np.float16) for name, value in found.items()}


def read_voices(folder: Path) -> list[Voice]:
    """Events and score of every cached voice that has a score."""
    voices = []
    for example in load_cache(folder):
        rows = example.conditions.astype(np.float32)
        beats = rows[:, c.BEATS]
        known = np.flatnonzero(beats[:, 0] > 0)
        events = find_events(rows[:, c.VOCAL][:, 1:], FRAME_RATE)
        if len(known) < 400 or len(events) < 20:
            continue
        inside = slice(known[0], known[-1] + 1)
        times = [_marks(beats[inside, i], beats[inside, i + 1], known[0]) for i in (1, 3)]
        if len(times[1]) < 4:
            continue
        period = float((times[0][-1] - times[0][0]) / (len(times[0]) - 1))
        voices.append(Voice(example.split, events, times[1], period))
    return voices


def _marks(sine: NDArray[np.float32], cosine: NDArray[np.float32], first: int) -> Floats:
    """Seconds at which a phase passes zero."""
    cycles = np.unwrap(np.arctan2(sine, cosine)) / (2 * np.pi)
    numbers = np.arange(np.ceil(cycles[0]), np.floor(cycles[-1]) + 1)
    return (np.interp(numbers, cycles, np.arange(len(cycles))) + 0.5 + first) / FRAME_RATE


def ask(voice: Voice, rng: np.random.Generator, *, augment: bool) -> Question | None:
    """Cut, stretch and thin a voice; None if too little is left."""
    events, pace = voice.events, 1.0
    kept = np.ones(len(events), dtype=bool)
    if augment:
        pace = float(np.exp(rng.uniform(-0.2, 0.2)))
        length = rng.uniform(25, 100)
        start = rng.uniform(0, max(0.1, events.seconds[-1] - length))
        kept = (events.seconds >= start) & (events.seconds < start + length)
        kept &= rng.random(len(events)) > rng.uniform(0, 0.12)
    if kept.sum() < 16:
        return None
    part = SungEvents(
        events.seconds[kept] / pace,
        events.end_seconds[kept] / pace,
        events.pitch[kept],
        events.strength[kept],
    )
    origin = part.seconds[0] - rng.uniform(0, 2)
    part = SungEvents(part.seconds - origin, part.end_seconds - origin, part.pitch, part.strength)
    downbeats = voice.downbeats / pace - origin
    downbeats = downbeats[(downbeats > -1) & (downbeats < part.seconds[-1] + 1)]
    if len(downbeats) < 3:
        return None
    candidates = pc.find_candidates(part)
    period = voice.period / pace
    error = np.abs(np.log(candidates.period / period))
    right = int(error.argmin())
    # The right pulse is within half a beat of the score's at the end if it is right at the start.
    drift = error[right] * part.seconds[-1] / period
    bar = pc.BEATS_PER_BAR * candidates.period[right]
    turn = np.angle(np.exp(2j * np.pi * downbeats / bar).sum()) / (2 * np.pi) % 1.0
    return Question(candidates, right if drift < 0.5 else -1, turn * pc.NUM_BINS)


def loss_of(network: Network, questions: list[Question]) -> Tensor:
    """Mean cross-entropy in nats."""
    bars = torch.from_numpy(np.concatenate([q.candidates.bars for q in questions]))
    told = torch.from_numpy(np.concatenate([pc.scalars(q.candidates) for q in questions]))
    logits = network(bars, told).split([len(q.candidates.period) for q in questions])
    total = torch.zeros(())
    for question, own in zip(questions, logits, strict=True):
        if question.right < 0:
            continue
        away = torch.arange(pc.NUM_BINS) - question.place
        away = (away + pc.NUM_BINS / 2) % pc.NUM_BINS - pc.NUM_BINS / 2
        wanted = torch.softmax(-0.5 * (away / 0.8) ** 2, dim=0)
        log = own.flatten().log_softmax(dim=0).view_as(own)
        total = total - (wanted * log[question.right]).sum()
    return total / len(questions)


def main() -> None:
    """Train and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    voices = read_voices(options.voices)
    train = [voice for voice in voices if voice.split == "train"]
    held = [ask(v, rng, augment=False) for v in voices if v.split == "validation"]
    validation = [question for question in held if question is not None]
    print(f"{len(train)} voices to learn from, {len(validation)} to check on")
    network = Network()
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.03)
    began = time.monotonic()
    for step in range(options.steps):
        drawn = [ask(train[i], rng, augment=True) for i in rng.integers(len(train), size=24)]
        loss = loss_of(network, [question for question in drawn if question is not None])
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 50, 2 * (1 - step / options.steps))
        optimizer.step()
        average.update_parameters(network)
        if step % 100 == 99:
            with torch.no_grad():
                checked = loss_of(average.module, validation)
            seconds = time.monotonic() - began
            print(
                f"{step + 1} {seconds:.0f} s train {loss:.3f} validation {checked:.3f}", flush=True
            )
            np.savez_compressed(options.out, **average.module.arrays())


if __name__ == "__main__":
    main()
