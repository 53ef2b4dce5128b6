"""Learn which places of a bar sung notes like: trains the table that `banso.pulse` reads.

    python scripts/learn_pulse.py --lessons work/lessons.npz --seconds 1500 \
        --out src/banso/tables/pulse.npz

It learns from voices and scores (`song_lessons.py` makes the file); for the latter `heard` says
what `banso.onsets` makes of a melody once it is sung. The network sees every possible pulse of a
voice at once and learns which pulse, which meter and which rotation of the bar the score has;
cross-entropy. The budget is time. The shipped table went on (`--start`) for 1 252 steps from that
of banso 0.4, which knew bars of four beats only.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from song_lessons import Lesson, read_lessons
from torch import Tensor, nn

from banso import pulse_candidates as pc
from banso.onsets import SungEvents

WIDTHS = {"first": 9, "second": 13, "third": 25}
DIM, DROPOUT = 48, 0.1
RATE, RATE_GOING_ON = 2e-3, 8e-4
# Wrong candidates that a question shows, so that more questions are asked in the same time.
NUM_SHOWN = 8
LEAST_EVENTS = 16
# How often a voice, and the scores of each corpus, are drawn.
SHARES = {"heard": 0.45, "pop909": 0.25, "openewld": 0.18, "lieder": 0.12}
BATCH = 20
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Candidates of a voice and, for each meter, the likelihood wanted at every place.

    Attributes:
        bars: As in `pulse_candidates.Candidates`, for each meter.
        told: What the network is told of every candidate, for each meter.
        wanted: Probabilities for each meter [candidates, places]; all 0 where no candidate fits.
    """

    bars: tuple[NDArray[np.float32], ...]
    told: tuple[NDArray[np.float32], ...]
    wanted: tuple[NDArray[np.float32], ...]


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
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, bars: Tensor, told: Tensor) -> Tensor:
        """Logits [candidates, places] of bars [candidates, places, classes]."""
        told = told[:, None].expand(-1, bars.shape[1], -1)
        x = torch.cat([bars, told], dim=-1).transpose(1, 2)
        x = nn.functional.gelu(self.layers["first"](x), approximate="tanh")
        for name in ("second", "third"):
            x = x + nn.functional.gelu(self.layers[name](self.drop(x)), approximate="tanh")
        out: Tensor = self.out(x.transpose(1, 2))[..., 0]
        return out

    def start_from(self, path: Path) -> None:
        """Go on from a table, maybe of a version that was told less."""
        with np.load(path, allow_pickle=False) as arrays, torch.no_grad():
            self.out.weight.copy_(torch.from_numpy(arrays["out"].T.astype(np.float32)))
            self.out.bias.copy_(torch.from_numpy(arrays["out_bias"].astype(np.float32)))
            for name, width in WIDTHS.items():
                kernel = arrays[name].astype(np.float32).reshape(width, -1, DIM)
                layer = self._layer(name)
                weight = layer.weight
                weight.zero_()
                weight[:, : kernel.shape[1]] = torch.from_numpy(kernel.transpose(2, 1, 0).copy())
                bias = arrays[f"{name}_bias"].astype(np.float32)
                cast(Tensor, layer.bias).copy_(torch.from_numpy(bias))

    def _layer(self, name: str) -> nn.Conv1d:
        return cast(nn.Conv1d, self.layers[name])

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """Weights as `pulse.PulseTable` wants them."""
        found: dict[str, Tensor] = {"out": self.out.weight.T, "out_bias": self.out.bias}
        for name in WIDTHS:
            layer = self._layer(name)
            found[name] = layer.weight.permute(2, 1, 0).flatten(0, 1)
            found[f"{name}_bias"] = cast(Tensor, layer.bias)
        return {n: value.detach().cpu().numpy().astype(np.float16) for n, value in found.items()}


def heard(notes: Floats, rng: np.random.Generator) -> SungEvents:
    """What is heard of a sung melody.

    Measured on 40 rendered voices of POP909: 95 % of the notes are found, 0.03 s around their time;
    of what is found, 37 % are no notes: mostly where a note ends, some in pauses, a third of them
    without any burst. Bursts of notes are log-normal.
    """
    kept = notes[rng.random(len(notes)) > rng.uniform(0.01, 0.1)]
    count = len(kept)
    start = kept[:, 0] + rng.normal(0.006, 0.012) + rng.normal(0, rng.uniform(0.012, 0.04), count)
    strength = rng.lognormal(np.log(rng.uniform(0.25, 0.8)), 0.6, count)
    strength *= rng.random(count) > rng.uniform(0, 0.1)
    wrong = (rng.random(count) < 0.09) * rng.choice([-1, -1, -1, 1, -2], count)
    extra = kept[rng.random(count) < rng.uniform(0.15, 0.95)]
    length = extra[:, 1] - extra[:, 0]
    away = np.where(
        rng.random(len(extra)) < 0.6,
        length * (0.15 + 0.95 * rng.beta(1.6, 1, len(extra))),
        length + rng.exponential(0.3, len(extra)),
    )
    burst = rng.lognormal(np.log(0.25), 0.6, len(extra)) * (rng.random(len(extra)) > 0.35)
    amiss = (rng.random(len(extra)) < 0.3) * rng.integers(-2, 3, len(extra))
    seconds = np.maximum(0.0, np.concatenate([start, extra[:, 0] + away]))
    order = np.argsort(seconds, kind="stable")
    end = np.concatenate([start + kept[:, 1] - kept[:, 0], extra[:, 0] + away + 0.1])[order]
    seconds = seconds[order]
    apart = np.diff(seconds, prepend=-1.0) > 0.05
    until = np.append(seconds[apart][1:], np.inf)
    return SungEvents(
        seconds[apart],
        np.maximum(np.minimum(end[apart], until), seconds[apart] + 0.03),
        np.concatenate([kept[:, 2] + wrong, extra[:, 2] + amiss])[order][apart],
        np.concatenate([strength, burst])[order][apart],
    )


def ask(lesson: Lesson, rng: np.random.Generator) -> Question | None:
    """Cut a part out of a song, stretch it and sing it; None if too little is left."""
    pace = float(np.exp(rng.uniform(-0.2, 0.2)))
    length = rng.uniform(25, 100) * pace
    rows = lesson.events if lesson.is_heard else lesson.notes
    begin = rng.uniform(rows[0, 0], max(rows[0, 0] + 0.1, rows[-1, 0] - length))
    chosen = rows[(rows[:, 0] >= begin) & (rows[:, 0] < begin + length)]
    if len(chosen) < LEAST_EVENTS:
        return None
    origin = chosen[0, 0] - rng.uniform(0, 2) * pace
    chosen = chosen.copy()
    chosen[:, :2] = (chosen[:, :2] - origin) / pace
    events = thinned(chosen, rng) if lesson.is_heard else heard(chosen, rng)
    if len(events) < LEAST_EVENTS:
        return None
    beats, downs = ((x - origin) / pace for x in (lesson.beats, lesson.beats[lesson.is_down]))
    return _question(events, beats, downs, lesson.beats_per_bar, rng)


def thinned(events: Floats, rng: np.random.Generator) -> SungEvents:
    """Events of a voice [events, 4] with some of them missed."""
    kept = events[rng.random(len(events)) > rng.uniform(0, 0.12)]
    return SungEvents(*kept.T)


def _question(
    events: SungEvents, beats: Floats, downs: Floats, beats_per_bar: int, rng: np.random.Generator
) -> Question | None:
    last = events.seconds[-1]
    beats = beats[(beats > events.seconds[0] - 2) & (beats < last + 2)]
    downs = downs[(downs > events.seconds[0] - 2) & (downs < last + 2)]
    if len(beats) < 8 or len(downs) < 3:
        return None
    period = float((beats[-1] - beats[0]) / (len(beats) - 1))
    candidates = _few(pc.find_candidates(events), period, rng)
    error = np.abs(np.log(candidates.period / period))
    right = int(error.argmin())
    # The right pulse is within half a beat of the score's at the end if it is right at the start.
    fits = error[right] * last / period < 0.5
    wanted = []
    for meter in pc.METERS:
        own = np.zeros((len(error), meter * pc.BINS_PER_BEAT), np.float32)
        # Bars of two beats are halves of bars of four, which may begin at either.
        if fits and (meter == beats_per_bar or (meter, beats_per_bar) == (4, 2)):
            own[right] = _around(downs, beats_per_bar, float(candidates.period[right]), meter)
        wanted.append(own)
    told = tuple(pc.scalars(candidates, meter) for meter in pc.METERS)
    return Question(candidates.bars, told, tuple(wanted))


def _few(candidates: pc.Candidates, period: float, rng: np.random.Generator) -> pc.Candidates:
    """The candidate next to a period, its half and double, and some of the others."""
    ratio = candidates.period[:, None] / (period * np.array([1, 0.5, 2]))
    first = np.abs(np.log(ratio)).argmin(axis=0)
    kept = list(dict.fromkeys([*first, *rng.permutation(len(ratio))]))[:NUM_SHOWN]
    return pc.Candidates(
        candidates.period[kept],
        candidates.salience[kept],
        candidates.repetition[kept],
        tuple(bars[kept] for bars in candidates.bars),
    )


def _around(downs: Floats, beats_per_bar: int, period: float, meter: int) -> Floats:
    """Probabilities of places in a bar, next to the score's downbeat, both if there are two."""
    turn = np.angle(np.exp(2j * np.pi * downs / (beats_per_bar * period)).sum()) / (2 * np.pi)
    size = meter * pc.BINS_PER_BEAT
    inner = beats_per_bar * pc.BINS_PER_BEAT
    away = (np.arange(size) - turn * inner + inner / 2) % inner - inner / 2
    share = np.exp(-0.5 * (away / 0.8) ** 2)
    return np.asarray(share / share.sum())


class Questions(torch.utils.data.IterableDataset[Question]):
    """Endless questions about songs, corpora mixed by `SHARES`."""

    def __init__(self, lessons: list[Lesson], seed: int) -> None:
        self.songs = {
            source: [
                x
                for x in lessons
                if source == ("heard" if x.is_heard else x.source) and x.beats_per_bar in (2, 3, 4)
            ]
            for source in SHARES
        }
        self.seed = seed

    def __iter__(self) -> Iterator[Question]:
        """Draw them, others in every worker."""
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        names, shares = list(SHARES), np.array(list(SHARES.values()))
        while True:
            songs = self.songs[names[rng.choice(len(names), p=shares / shares.sum())]]
            question = ask(songs[int(rng.integers(len(songs)))], rng) if songs else None
            if question is not None:
                yield question


def loss_of(network: Network, questions: list[Question], device: torch.device) -> Tensor:
    """Mean cross-entropy in nats."""
    counts = [len(question.told[0]) for question in questions]
    parts = []
    for meter in range(len(pc.METERS)):
        bars, told = (
            torch.from_numpy(np.concatenate([getattr(q, name)[meter] for q in questions]))
            for name in ("bars", "told")
        )
        parts.append(network(bars.to(device), told.to(device)).split(counts))
    total = torch.zeros((), device=device)
    for question, *logits in zip(questions, *parts, strict=True):
        wanted = np.concatenate([own.ravel() for own in question.wanted])
        log = torch.cat([own.flatten() for own in logits]).log_softmax(dim=0)
        total = total - (torch.from_numpy(wanted).to(device) * log).sum()
    return total / len(questions)


def main() -> None:
    """Train and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lessons", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a table that goes on learning")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lessons = read_lessons(options.lessons)
    train = Questions([x for x in lessons if x.split == "train"], options.seed)
    kept = iter(Questions([x for x in lessons if x.split in ("tuning", "validation")], 0))
    loader = iter(
        torch.utils.data.DataLoader(
            train, BATCH, num_workers=options.workers, collate_fn=list,
            multiprocessing_context="fork" if options.workers else None,
        )
    )  # fmt: skip
    began = time.monotonic()
    validation = [next(kept) for _ in range(150)]
    network = Network().to(device)
    rate = RATE_GOING_ON if options.start else RATE
    if options.start:
        network.start_from(options.start)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.03)
    step, spent = 0, 0.0
    while spent < 1.0:
        loss = loss_of(network, next(loader), device)
        optimizer.zero_grad()
        loss.backward()
        spent = min(1.0, (time.monotonic() - began) / options.seconds)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50, 1.5 * (1 - spent))
        optimizer.step()
        average.update_parameters(network)
        step += 1
        if step % 100 == 0 or spent >= 1.0:
            with torch.no_grad():
                mean = cast(Network, average.module.eval())
                checked = loss_of(mean, validation, device)
            print(f"{step} {spent:.2f} train {loss:.3f} validation {checked:.3f}", flush=True)
            np.savez_compressed(options.out, allow_pickle=False, **mean.arrays())


if __name__ == "__main__":
    main()
