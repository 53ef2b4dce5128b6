r"""Learn which chords go with a melody in a known key: trains what `banso.keyed_network` runs.

    python scripts/learn_keyed_chords.py --root pop909 --seed 1 --out src/banso/tables/keyed1.npz
    python scripts/learn_keyed_chords.py --root pop909 --leadsheets OpenEWLD.tar.xz --dim 112 \
        --blocks 2 --seed 2 --out src/banso/tables/keyed2.npz

It learns from scores alone, no singing: notes are dropped, moved and misheard as a transcription
does, and a tenth of the crops is shown in a wrong key. One run makes one member of the ensemble, in
two to three minutes of a free core. Cross-entropy over triads, by the share of each in a half bar.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from banso import chord_network as cn
from banso import keyed_network as kn
from banso.chords import parse_chord
from banso.data.manifest import split_of
from banso.data.song import Song
from banso.data.sources import openewld, pop909
from banso.errors import BansoError
from banso.leadsheet import LeadSheet
from banso.measures import measures_of
from banso.onsets import SungEvents

CROP = 128  # half bars
JUDGED = 25  # triads and none; sus and diminished chords are in the last column and not learned
LEADSHEET_SHARE, WRONG_KEY_SHARE = 0.15, 0.1
SMOOTHING, WEIGHT_DECAY, RATE = 0.05, 0.05, 2e-3
Floats = NDArray[np.float64]
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A melody, its half bars, the seconds of each chord in them [half bars, 26], its signature."""

    split: str
    notes: SungEvents
    borders: Floats
    inside: NDArray[np.int64]
    seconds: Array
    signature: int


class Block(nn.Module):
    """One block of `banso.keyed_network`."""

    def __init__(self, dim: int, drop: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.attended = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.time = nn.Conv1d(dim, dim, 5, padding=2, groups=dim)
        self.wide, self.narrow = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Map [batch, half bars, dim] to the same shape."""
        batch, frames, dim = x.shape
        y = self.norm1(x)
        q, k, v = self.qkv(y).view(batch, frames, 3, kn.NUM_HEADS, -1).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        found = found.transpose(1, 2).reshape(batch, frames, dim)
        mixed = self.time(y.transpose(1, 2)).transpose(1, 2)
        x = x + self.drop(self.attended(found) + mixed)
        wide = nn.functional.gelu(self.wide(self.norm2(x)), approximate="tanh")
        out: Tensor = x + self.drop(self.narrow(wide))
        return out


class Network(nn.Module):
    """A member of `banso.keyed_network.KeyedNetwork`, to be trained."""

    def __init__(self, dim: int, blocks: int, drop: float) -> None:
        super().__init__()
        self.embed = nn.Linear(12 * cn.NUM_VIEWS + 1, dim)
        self.distance = nn.Parameter(torch.zeros(kn.NUM_HEADS, 2 * kn.FARTHEST + 1))
        self.phase = nn.Parameter(torch.zeros(kn.NUM_HEADS, kn.PERIOD))
        self.blocks = nn.ModuleList(Block(dim, drop) for _ in range(blocks))
        self.norm, self.out = nn.LayerNorm(dim), nn.Linear(dim, kn.NUM_OUTPUTS)
        self.drop = nn.Dropout(drop / 2)

    def forward(self, grid: Tensor, inside: Tensor) -> Tensor:
        """Logits [batch, half bars, 25] of melodies [batch, half bars, 12, views]."""
        views = torch.cat([grid.flatten(2), inside[..., None]], dim=2)
        x = self.drop(nn.functional.gelu(self.embed(views), approximate="tanh"))
        frames = torch.arange(x.shape[1])
        distance = frames[:, None] - frames
        far = distance.clamp(-kn.FARTHEST, kn.FARTHEST) + kn.FARTHEST
        bias = (self.distance[:, far] + self.phase[:, distance % kn.PERIOD])[None]
        for block in self.blocks:
            x = block(x, bias)
        out: Tensor = self.out(self.norm(x))
        return out

    def arrays(self) -> dict[str, Array]:
        """Weights as `KeyedNetwork` wants them."""
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
            found[first + ("_bias" if kind == "bias" else "")] = value.numpy().astype(np.float32)
        return found


def lessons_of(root: Path, leadsheets: Path | None) -> Iterator[Lesson]:
    """Yield a lesson for every song of POP909, and for the lead sheets of OpenEWLD."""
    for raw in pop909.read_corpus(root):
        yield from _lesson(raw, split_of(raw.song_id))
    for sheet in openewld.read_corpus(leadsheets) if leadsheets else ():
        yield from _lesson(sheet, "leadsheets")


def _lesson(raw: pop909.RawSong | openewld.RawLeadSheet, split: str) -> Iterator[Lesson]:
    try:
        song = raw.read()
    except BansoError:
        return
    sheet = song.lead_sheet
    if sheet.key is None or not sheet.chords or len(sheet.downbeats) < 8:
        return
    # What comes before the first beat, or after the last, is no half bar.
    first, last = sheet.beats[0], sheet.beats[-1]
    measures = measures_of(sheet, last + last - sheet.beats[-2])
    key = parse_chord(sheet.key)
    borders = np.append(measures.starts, measures.ends[-1])
    borders[0] = first
    yield Lesson(
        split, _notes(song), borders, measures.inside, chord_seconds(sheet, borders),
        ((key.root or 0) + 3 * key.is_minor) % 12,
    )  # fmt: skip


def _notes(song: Song) -> SungEvents:
    rows = np.array([(n.start_seconds, n.end_seconds, n.pitch, 1.0) for n in song.melody])
    return SungEvents(*rows.astype(np.float64).T)


def chord_seconds(sheet: LeadSheet, borders: Floats) -> Array:
    """How long each triad, none, and any other chord sounds in every half bar [units, 26]."""
    seconds = np.zeros((len(borders) - 1, JUDGED + 1), dtype=np.float32)
    for span in sheet.chords:
        overlap = np.minimum(borders[1:], span.end_seconds)
        overlap = overlap - np.maximum(borders[:-1], span.start_seconds)
        seconds[:, _column(span.label)] += np.maximum(0.0, overlap)
    return seconds


def _column(label: str) -> int:
    chord = parse_chord(label)
    tones = set(chord.intervals)
    if chord.root is None:
        return 24
    if 7 not in tones or not tones & {3, 4}:
        return JUDGED
    return chord.root + 12 * chord.is_minor


def crop(lesson: Lesson, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Cut a part out of a song, as a transcription hears it: grid, inside, chord seconds."""
    size = min(CROP, len(lesson.seconds))
    start = int(rng.integers(len(lesson.seconds) - size + 1))
    borders, notes = lesson.borders[start : start + size + 1], lesson.notes
    kept = (notes.seconds < borders[-1]) & (notes.end_seconds > borders[0])
    kept &= rng.random(len(notes)) > rng.uniform(0, 0.15)
    count = int(kept.sum())
    heard = SungEvents(
        notes.seconds[kept] + rng.normal(0, 0.02, count),
        notes.end_seconds[kept] + rng.normal(0, 0.06, count),
        notes.pitch[kept] + (rng.random(count) < 0.03) * rng.integers(-2, 3, count),
        notes.strength[kept],
    )
    wrong = rng.random() < WRONG_KEY_SHARE
    turn = lesson.signature + (int(rng.choice([-5, 5])) if wrong else 0)
    grid = np.roll(cn.melody_grid(heard, borders), -turn, axis=1)
    part = slice(start, start + size)
    return grid, lesson.inside[part].astype(np.float32), turned(lesson.seconds[part], turn)


def turned(columns: Array, signature: int) -> Array:
    """Chord columns [..., 26] as they look from a signature."""
    triads = np.roll(columns[..., :24].reshape(*columns.shape[:-1], 2, 12), -signature, axis=-1)
    return np.concatenate([triads.reshape(*columns.shape[:-1], 24), columns[..., 24:]], axis=-1)


def loss_of(network: Network, lessons: list[Lesson], rng: np.random.Generator) -> Tensor:
    """Mean cross-entropy in nats over the judged time of random crops."""
    crops = [crop(lesson, rng) for lesson in lessons]
    longest = max(len(grid) for grid, _, _ in crops)
    grids = np.zeros((len(crops), longest, 12, cn.NUM_VIEWS), dtype=np.float32)
    insides = np.zeros((len(crops), longest), dtype=np.float32)
    seconds = np.zeros((len(crops), longest, JUDGED + 1), dtype=np.float32)
    for row, (grid, inside, chords) in enumerate(crops):
        size = len(grid)
        grids[row, :size], insides[row, :size], seconds[row, :size] = grid, inside, chords
    chords = torch.from_numpy(seconds)
    judged = chords[..., :JUDGED].sum(dim=2)
    weight = judged / chords.sum(dim=2).clamp(min=1e-6)
    target = chords[..., :JUDGED] / judged.clamp(min=1e-6)[..., None]
    target = (1 - SMOOTHING) * target + SMOOTHING / JUDGED
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(torch.from_numpy(grids), torch.from_numpy(insides))
    log = torch.log_softmax(logits.float(), dim=2)
    return -((log * target).sum(dim=2) * weight).sum() / weight.sum()


def accuracy(weights: dict[str, Array], lessons: list[Lesson]) -> float:
    """Mean share of the time of songs that is named right, by the numpy code, the key known."""
    network = kn.KeyedNetwork([kn.unpacked(kn.packed(weights))])
    shares = []
    for lesson in lessons:
        keys = np.full(24, -1e3)
        keys[lesson.signature] = 0.0
        grid = cn.melody_grid(lesson.notes, lesson.borders)
        best = network.log_probabilities(grid, lesson.inside, keys).argmax(axis=1)
        right = lesson.seconds[np.arange(len(best)), best].sum()
        shares.append(right / lesson.seconds[:, :JUDGED].sum())
    return float(np.mean(shares))


def main() -> None:
    """Train one member and write its weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder that holds POP909")
    parser.add_argument("--leadsheets", type=Path, help="OpenEWLD, learned from as well")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=96)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--drop", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=14)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    every = list(lessons_of(options.root, options.leadsheets))
    pools = [[x for x in every if x.split == name] for name in ("train", "leadsheets")]
    held = [x for x in every if x.split == "validation"]
    print(f"{len(pools[0])} songs and {len(pools[1])} lead sheets, {len(held)} songs to check on")
    network = Network(options.dim, options.blocks, options.drop)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    began = time.monotonic()
    lengths = [np.array([min(len(x.seconds), 200) for x in pool], float) for pool in pools]
    for step in range(options.steps):
        share = LEADSHEET_SHARE if pools[1] else 0.0
        which = [int(rng.random() < share) for _ in range(options.batch)]
        drawn = [int(rng.choice(len(lengths[w]), p=lengths[w] / lengths[w].sum())) for w in which]
        loss = loss_of(network, [pools[w][d] for w, d in zip(which, drawn, strict=True)], rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        left = 1.6 * (1 - step / options.steps)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50, left)
        optimizer.step()
        average.update_parameters(network)
        if step % 100 == 99 or step + 1 == options.steps:
            weights = average.module.arrays()
            spent = time.monotonic() - began
            share = accuracy(weights, held)
            print(f"{step + 1} {spent:.0f} s loss {loss:.3f} right {share:.3f}", flush=True)
            np.savez_compressed(options.out, **kn.packed(weights))


if __name__ == "__main__":
    main()
