r"""Learn which chords go with a melody: trains the network that `banso.chord_network` runs.

    python scripts/learn_chords.py --voices work/voices --root pop909 \
        --out src/banso/tables/chords.npz

It learns from sung voices (`banso prepare voices`), as banso hears them, and from the scores of the
training songs, which have more of each song. Cross-entropy over major and minor triads.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from banso import chord_network as cn
from banso import conditioning as c
from banso import features
from banso.chords import parse_chord
from banso.data.cache import load_cache
from banso.data.dataset import triads
from banso.data.manifest import split_of
from banso.data.sources.pop909 import read_corpus, read_song
from banso.errors import BansoError
from banso.onsets import SungEvents, find_events

FRAME_RATE = features.SAMPLE_RATE / features.HOP_LENGTH
DIM = 32
DROPOUT = 0.1
CROP = 144  # half bars
VOICE_SHARE = 0.65
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A melody, its half bars' borders, and the triad of each (-1 for none)."""

    split: str
    events: SungEvents
    borders: Floats
    triads: NDArray[np.int64]


class Block(nn.Module):
    """What `ChordNetwork._block` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.attended = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.time = nn.Conv1d(DIM, DIM, 5, padding=2, groups=DIM)
        self.pitch, self.narrow = nn.Linear(12 * DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Map [batch, half bars, 12, dim] to the same shape."""
        batch, frames, pitches, dim = x.shape
        y = self.norm1(x)
        mixed = self.time(y.permute(0, 2, 3, 1).flatten(0, 1))
        mixed = mixed.view(batch, pitches, dim, frames).permute(0, 3, 1, 2)
        parts = self.qkv(y).view(batch, frames, pitches, 3, cn.NUM_HEADS, -1)
        q, k, v = parts.permute(3, 0, 4, 1, 2, 5).flatten(4).unbind(0)
        found = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        found = found.unflatten(3, (pitches, -1)).permute(0, 2, 3, 1, 4).flatten(3)
        x = x + self.drop(self.attended(found) + mixed)
        wide = nn.functional.gelu(self.pitch(around(self.norm2(x))), approximate="tanh")
        out: Tensor = x + self.drop(self.narrow(wide))
        return out


class Network(nn.Module):
    """What `ChordNetwork` computes, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(12 * cn.NUM_VIEWS, DIM)
        self.parity = nn.Parameter(torch.zeros(2, DIM))
        self.distance = nn.Parameter(torch.zeros(cn.NUM_HEADS, 2 * cn.FARTHEST + 1))
        self.phase = nn.Parameter(torch.zeros(cn.NUM_HEADS, cn.PERIOD))
        self.blocks = nn.ModuleList(Block() for _ in range(cn.NUM_BLOCKS))
        self.norm, self.out = nn.LayerNorm(DIM), nn.Linear(DIM, 2)

    def forward(self, grid: Tensor) -> Tensor:
        """Logits [batch, half bars, 24] of melodies [batch, half bars, 12, views]."""
        frames = torch.arange(grid.shape[1])
        x = nn.functional.gelu(self.embed(around(grid)), approximate="tanh")
        x = x + self.parity[frames % 2][:, None]
        distance = frames[:, None] - frames
        far = distance.clamp(-cn.FARTHEST, cn.FARTHEST) + cn.FARTHEST
        bias = (self.distance[:, far] + self.phase[:, distance % cn.PERIOD])[None]
        for block in self.blocks:
            x = block(x, bias)
        return self.out(self.norm(x)).transpose(2, 3).flatten(2)

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """Weights as `ChordNetwork` wants them."""
        found = {}
        for name, value in self.state_dict().items():
            first, *rest = name.split(".")
            if first == "blocks":
                first, rest = f"block{rest[0]}_{rest[1]}", rest[2:]
            kind = rest[0] if rest else ""
            if value.ndim == 3:
                value = value[:, 0].T
            elif kind == "weight" and value.ndim == 2:
                value = value.T
            found[first + ("_bias" if kind == "bias" else "")] = value.numpy().astype(np.float16)
        return found


def around(x: Tensor) -> Tensor:
    """Each pitch class with all that follow it around: [..., 12, n] to [..., 12, 12 * n]."""
    return torch.cat([x.roll(-step, dims=-2) for step in range(12)], dim=-1)


def from_voices(folder: Path) -> list[Lesson]:
    """Lessons from cached voices, half bars from the score."""
    lessons = []
    for example in load_cache(folder):
        rows = example.conditions.astype(np.float32)
        events = find_events(rows[:, c.VOCAL][:, 1:], FRAME_RATE)
        beats = rows[:, c.BEATS]
        known = np.flatnonzero(beats[:, 0] > 0)
        if len(known) < 400 or len(events) < 20:
            continue
        inside = slice(known[0], known[-1] + 1)
        turns = np.unwrap(np.arctan2(beats[inside, 3], beats[inside, 4])) / np.pi
        numbers = np.arange(np.ceil(turns[0]), np.floor(turns[-1]) + 1)
        borders = (np.interp(numbers, turns, np.arange(len(turns))) + 0.5 + known[0]) / FRAME_RATE
        states = triads(rows[:, c.CHORDS])
        frames = [slice(*np.rint(pair * FRAME_RATE).astype(int)) for pair in _pairs(borders)]
        target = np.array([_commonest(states[part]) for part in frames])
        lessons.append(Lesson(example.split, events, borders, target))
    return lessons


def from_scores(root: Path) -> list[Lesson]:
    """Lessons from the scores of the training songs."""
    lessons = []
    for raw in read_corpus(root):
        if split_of(raw.song_id) != "train":
            continue
        try:
            song = read_song(raw)
        except BansoError:
            continue
        beats, downs = np.array(song.lead_sheet.beats), np.array(song.lead_sheet.downbeats)
        borders = beats[int(np.searchsorted(beats, downs[0] - 0.01)) % 2 :: 2]
        notes = song.melody
        events = SungEvents(
            np.array([note.start_seconds for note in notes]),
            np.array([note.end_seconds for note in notes]),
            np.array([float(note.pitch) for note in notes]),
            np.ones(len(notes)),
        )
        starts = np.array([span.start_seconds for span in song.lead_sheet.chords])
        states = np.array([_triad(span.label) for span in song.lead_sheet.chords])
        times = [np.linspace(*pair, 9)[:-1] + 0.01 for pair in _pairs(borders)]
        places = [np.maximum(np.searchsorted(starts, t, side="right") - 1, 0) for t in times]
        target = np.array([_commonest(states[p]) for p in places])
        lessons.append(Lesson("train", events, borders, target))
    return lessons


def crop(lesson: Lesson, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cut a part out of a melody, with some notes missed, moved or misheard."""
    borders, target, events = lesson.borders, lesson.triads, lesson.events
    if len(target) > CROP:
        first = int(rng.integers(len(target) - CROP))
        borders, target = borders[first : first + CROP + 1], target[first : first + CROP]
    kept = rng.random(len(events)) > rng.uniform(0, 0.12)
    count = int(kept.sum())
    wrong = (rng.random(count) < 0.03) * rng.integers(-2, 3, count)
    heard = SungEvents(
        events.seconds[kept] + rng.normal(0, 0.015, count),
        events.end_seconds[kept] + rng.normal(0, 0.05, count),
        events.pitch[kept] + wrong,
        events.strength[kept],
    )
    return cn.melody_grid(heard, borders), target


def loss_of(network: Network, lessons: list[Lesson], rng: np.random.Generator) -> Tensor:
    """Mean cross-entropy in nats of random crops."""
    crops = [crop(lesson, rng) for lesson in lessons]
    longest = max(len(grid) for grid, _ in crops)
    grids = np.zeros((len(crops), longest, 12, cn.NUM_VIEWS), dtype=np.float32)
    targets = np.full((len(crops), longest), -1)
    for row, (grid, target) in enumerate(crops):
        grids[row, : len(grid)], targets[row, : len(target)] = grid, target
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(torch.from_numpy(grids))
    return nn.functional.cross_entropy(
        logits.float().transpose(1, 2), torch.from_numpy(targets),
        ignore_index=-1, label_smoothing=0.05,
    )  # fmt: skip


def accuracy(network: Network, lessons: list[Lesson]) -> float:
    """Share of half bars with a chord that are named right, by the numpy code."""
    own = {name: value.astype(np.float32) for name, value in network.arrays().items()}
    shipped, right, total = cn.ChordNetwork(own), 0, 0
    for lesson in lessons:
        found = shipped.log_probabilities(cn.melody_grid(lesson.events, lesson.borders))
        known = lesson.triads >= 0
        right += int((found.argmax(axis=1) == lesson.triads)[known].sum())
        total += int(known.sum())
    return right / max(total, 1)


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True, help="folder that holds POP909")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    sung, scores = from_voices(options.voices), from_scores(options.root)
    train = [lesson for lesson in sung if lesson.split == "train"]
    held = [lesson for lesson in sung if lesson.split == "validation"]
    print(f"{len(train)} voices and {len(scores)} scores to learn from, {len(held)} to check on")
    network = Network()
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.985)
    )
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.05)
    began = time.monotonic()
    for step in range(options.steps):
        pools = [train if rng.random() < VOICE_SHARE else scores for _ in range(12)]
        loss = loss_of(network, [pool[int(rng.integers(len(pool)))] for pool in pools], rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 50, 1.6 * (1 - step / options.steps))
        optimizer.step()
        average.update_parameters(network)
        if step % 100 == 99:
            share = accuracy(average.module.eval(), held)
            seconds = time.monotonic() - began
            print(f"{step + 1} {seconds:.0f} s loss {loss:.3f} right {share:.3f}", flush=True)
            np.savez_compressed(options.out, **average.module.arrays())


def _pairs(borders: Floats) -> Floats:
    return np.stack([borders[:-1], borders[1:]], axis=1)


def _triad(label: str) -> int:
    chord = parse_chord(label)
    return -1 if chord.root is None else chord.root + 12 * chord.is_minor


def _commonest(states: NDArray[np.int64]) -> int:
    values, counts = np.unique(states[(states >= 0) & (states < 24)], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else -1


if __name__ == "__main__":
    main()
