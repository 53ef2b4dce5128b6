"""Parts of songs as `learn_keyed_chords.py` shows them to its networks, made on any device at once.

A part is shown as a transcription hears it: notes are dropped, moved, misheard and run together.
Some parts are shown in a wrong key, or in bars that begin at the wrong beat, or at half or double
tempo, since that is what a plan that errs will ask about.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from song_lessons import NO_SIGNATURE, OTHER, Lesson, chord_seconds
from torch import Tensor

from banso.chord_network import SLOTS

SOURCES = ("pop909", "openewld", "lieder", "others")
NUM_COLUMNS = OTHER + 1
# 12 pitch classes that sound and that begin, whether a bar begins, heights and lengths of notes,
# chords that are known already, the corpus.
SHAPE = slice(24 * SLOTS + 1, 26 * SLOTS + 1)
HINTS = slice(SHAPE.stop, SHAPE.stop + NUM_COLUMNS)
CORPUS = slice(HINTS.stop, HINTS.stop + len(SOURCES))
NUM_VIEWS = CORPUS.stop
_WORTH_HEARD = 2.0  # half bars of a voice that was listened to, next to those of a score
_PER_CELL = SLOTS // 2  # a cell is half of a unit: a beat, mostly
_GONE = -1e6
_JITTER_BEGIN, _JITTER_END = 0.12, 0.35  # slots
_DROPPED, _MISHEARD, _WRONG_KEY, _RUN_TOGETHER = 0.15, 0.03, 0.1, 0.4
_OTHER_TEMPO, _OTHER_BEAT, _OTHER_HALF = 0.16, 0.06, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Songs of all corpora, padded to one length, seen from their signatures.

    Attributes:
        notes: Begin and end in slots, pitch [songs, notes, 3].
        cells: How long each chord column sounds in every cell, in shares [songs, cells, 26].
        begins: 0 where a cell begins a bar, else 1 [songs, cells].
        length: Units of each [songs].
        halved: Whether its bars are of two units [songs].
        source: Place in `SOURCES` [songs].
        weight: How often it is drawn among its corpus [songs].
    """

    notes: Tensor
    cells: Tensor
    begins: Tensor
    length: Tensor
    halved: Tensor
    source: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """What a network sees and should say.

    Attributes:
        views: [..., units, NUM_VIEWS].
        seconds: Share of every column in each unit [..., units, 26].
        live: Which units are inside of the song [..., units].
        asked: 0 where the chord is told in `views` [..., units].
    """

    views: Tensor
    seconds: Tensor
    live: Tensor
    asked: Tensor


def pool_of(lessons: Sequence[Lesson], device: torch.device) -> Pool:
    """Lay songs out on a device; instruments' lines count as songs of their own."""
    usable = [x for x in lessons if x.signature != NO_SIGNATURE and x.beats_per_bar in (2, 3, 4)]
    rows = [(_song(x, x.notes), SOURCES.index(x.source)) for x in usable]
    rows += [(_song(x, x.others), 3) for x in usable if len(x.others) > 40]
    counts = np.array([[len(song[0]), len(song[1])] for song, _ in rows])
    most = counts.max(axis=0)
    notes = np.full((len(rows), most[0], 3), _GONE, np.float32)
    cells = np.zeros((len(rows), most[1], NUM_COLUMNS), np.float16)
    begins = np.ones((len(rows), most[1]), np.float32)
    for place, ((own, chords, first), _) in enumerate(rows):
        notes[place, : len(own)], cells[place, : len(chords)] = own, chords
        begins[place, : len(first)] = first
    length = counts[:, 1] // 2
    halved = [bool(first[::2].mean() > 0.4) for (_, _, first), _ in rows]
    worth = np.array([_WORTH_HEARD if x.is_heard else 1.0 for x in usable])
    weight = np.minimum(length, 200) * np.append(worth, np.ones(len(rows) - len(usable)))
    arrays = (notes, cells, begins, length, np.array(halved), np.array([s for _, s in rows]),
              weight.astype(np.float32))  # fmt: skip
    return Pool(*(torch.from_numpy(np.asarray(array)).to(device) for array in arrays))


def _song(
    lesson: Lesson, notes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Notes in slots, chords of cells, and which cells begin a bar, in the key of C major."""
    measures = lesson.measures
    starts = measures.starts.copy()
    starts[0] = lesson.beats[0]  # what comes before the first beat is no half bar
    borders = np.append(starts, measures.ends[-1])
    middles = (borders[:-1] + borders[1:]) / 2
    cells = np.append(np.stack([borders[:-1], middles], axis=1).ravel(), borders[-1])
    place = np.arange(len(borders)) * float(SLOTS)
    begin = np.interp(notes[:, 0], borders, place, left=-1, right=-1)
    end = np.interp(notes[:, 1], borders, place)
    kept = (begin >= 0) & (end > begin)
    chords = chord_seconds(lesson.chords, cells)
    chords /= np.maximum(np.diff(cells), 1e-6)[:, None]
    triads = np.roll(chords[:, :24].reshape(-1, 2, 12), -lesson.signature, axis=2)
    chords = np.concatenate([triads.reshape(-1, 24), chords[:, 24:]], axis=1)
    first = np.stack([measures.inside, np.ones_like(measures.inside)], axis=1).ravel()
    own = np.stack([begin[kept], end[kept], notes[kept, 2] - lesson.signature], axis=1)
    return own, chords, first.astype(np.float64)


def crops(
    pool: Pool, songs: Tensor, num_units: int, *, hint_share: Tensor | None = None,
    start: Tensor | None = None,
) -> Crops:  # fmt: skip
    """Cut parts out of songs.

    Args:
        pool: The songs.
        songs: Which of them, each once for a crop [crops].
        num_units: Length of each crop.
        hint_share: For each crop, how many of its chords are told [crops]; None for none.
        start: First unit of each [crops], cut as it is; None draws one and spoils the part.

    Returns:
        The crops, first axis [crops].
    """
    spoiled = start is None
    per_unit = torch.full_like(songs, 2)  # cells
    room = (pool.length[songs] - num_units).clamp(min=0)
    if start is None:
        start = (_random(songs) * (room + 1)).long()
        quick = _random(songs)
        other = pool.halved[songs] & (quick < _OTHER_TEMPO)
        # The slower reading takes twice the song, which must be there.
        slow = other & (quick < _OTHER_TEMPO / 2)
        per_unit = torch.where(slow, 4, torch.where(other, 1, per_unit))
        start = torch.where(slow, (start - num_units).clamp(min=0), start)
        shift = (pool.halved[songs] & (_random(songs) < _OTHER_BEAT)).long()
        cell = 2 * start + shift
    else:
        shift, cell = torch.zeros_like(songs), 2 * start
    units = torch.arange(num_units, device=songs.device)
    at = cell[:, None] + per_unit[:, None] * units
    seconds, live = _chords(pool, songs, at, per_unit)
    begins = pool.begins[songs[:, None], at.clamp(max=pool.begins.shape[1] - 1)]
    notes = pool.notes[songs].clone()
    notes[:, :, :2] = (notes[:, :, :2] / _PER_CELL - cell[:, None, None]) * (
        SLOTS / per_unit[:, None, None]
    )
    if spoiled:
        odd = (per_unit != 2) | (shift > 0)
        odd |= pool.halved[songs] & (_random(songs) < _OTHER_HALF)
        turn = (_random(songs) < 0.5).long()
        alternating = ((units[None] + turn[:, None]) % 2).float()
        begins = torch.where(odd[:, None], alternating, begins)
        notes, seconds = _spoiled(notes, seconds)
    hint, asked = _hints(seconds, hint_share)
    corpus = torch.nn.functional.one_hot(pool.source[songs], len(SOURCES)).float()
    corpus = corpus[:, None].expand(-1, num_units, -1)
    melody, shape = _laid_out(notes, num_units)
    views = torch.cat([melody, begins[..., None], shape, hint, corpus], dim=2)
    return Crops(views, seconds, live, asked)


def _random(like: Tensor) -> Tensor:
    return torch.rand(like.shape, device=like.device)


def _chords(pool: Pool, songs: Tensor, at: Tensor, per_unit: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of columns in units whose first cells are given, and which units exist."""
    total = torch.zeros(*at.shape, NUM_COLUMNS, device=at.device)
    for step in range(4):
        cell = at + step
        used = (step < per_unit)[:, None] & (cell < 2 * pool.length[songs][:, None])
        here = pool.cells[songs[:, None], cell.clamp(max=pool.cells.shape[1] - 1)].float()
        total += here * used[..., None]
    return total / per_unit[:, None, None], at < 2 * pool.length[songs][:, None]


def _spoiled(notes: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
    """Notes as they are heard, and some songs in another key than it seems."""
    begin, end, pitch = (part.clone() for part in notes.unbind(2))
    same = (pitch[:, 1:] == pitch[:, :-1]) & (begin[:, 1:] - end[:, :-1] < 1)
    same &= _random(same) < _RUN_TOGETHER * _random(same[:, :1])
    end[:, :-1] = torch.where(same, end[:, 1:], end[:, :-1])
    begin[:, 1:] = torch.where(same, _GONE, begin[:, 1:])
    begin += torch.randn_like(begin) * _JITTER_BEGIN
    end += torch.randn_like(end) * _JITTER_END
    pitch += (_random(pitch) < _MISHEARD) * torch.randint_like(pitch, -2, 3)
    gone = _random(begin) < _DROPPED * _random(begin[:, :1])
    begin = torch.where(gone, _GONE, begin)
    wrong = (_random(begin[:, 0]) < _WRONG_KEY) * torch.where(_random(begin[:, 0]) < 0.5, -5, 5)
    pitch = pitch - wrong[:, None]
    turned = (torch.arange(12, device=notes.device) + wrong[:, None]) % 12
    kept = torch.arange(24, NUM_COLUMNS, device=notes.device).expand(len(notes), -1)
    columns = torch.cat([turned, turned + 12, kept], dim=1)
    seconds = seconds.gather(2, columns[:, None].expand_as(seconds))
    return torch.stack([begin, end, pitch], dim=2), seconds


def _hints(seconds: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor]:
    """Chords that are told as one of `NUM_COLUMNS`, and 0 where that makes a question idle."""
    if share is None:
        return torch.zeros_like(seconds), torch.ones_like(seconds[..., 0])
    told = _random(seconds[..., 0]) < share[:, None] * _random(seconds[:, :1, 0])
    best = torch.nn.functional.one_hot(seconds.argmax(dim=2), NUM_COLUMNS)
    return best * told[..., None].float(), (~told).float()


def _laid_out(notes: Tensor, num_units: int) -> tuple[Tensor, Tensor]:
    """What `melody_grid` and `melody_shape` of `banso` make of notes in slots."""
    begin, end, pitch = notes.unbind(2)
    slots = num_units * SLOTS
    slot = torch.floor(begin + 0.5).long()
    used = (begin >= 0) & (end > begin) & (slot < slots)
    stop = torch.maximum(slot + 1, torch.ceil(end - 0.3).long())
    stop = torch.minimum(stop, slot + 2 * SLOTS).clamp(0, slots)
    slot = slot.clamp(0, slots - 1)
    tone = torch.round(pitch).long() % 12
    once = used.float()
    size = (len(notes), (slots + 1) * 12)
    steps = torch.zeros(size, device=notes.device).scatter_add_(1, slot * 12 + tone, once)
    steps.scatter_add_(1, stop * 12 + tone, -once)
    beginning = torch.zeros(size, device=notes.device).scatter_add_(1, slot * 12 + tone, once)
    sounding = (steps.view(len(notes), -1, 12).cumsum(dim=1) > 0.5).float()
    parts = [x.reshape(len(notes), -1, 12)[:, :-1] for x in (sounding, beginning)]
    parts = [x.reshape(len(notes), num_units, SLOTS, 12) for x in parts]
    grid = torch.cat(parts, dim=2).transpose(2, 3).flatten(2)
    middle = torch.where(used, pitch, torch.nan).nanmedian(dim=1, keepdim=True)[0].nan_to_num()
    height = ((pitch - middle) / 6).clamp(-3, 3)
    length = torch.log2((end - begin).clamp(0.5, 4 * SLOTS)) / 2
    shape = [
        torch.zeros(len(notes), slots, device=notes.device).scatter_add_(1, slot, once * value)
        for value in (height, length)
    ]
    return grid, torch.cat([s.view(len(notes), num_units, SLOTS) for s in shape], dim=2)
