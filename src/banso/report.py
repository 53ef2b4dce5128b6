"""One page to look at: voice and accompaniment over time, what was sung and what is played.

Everything is drawn on a grid of at most 2 000 columns, however long the song.

References:
    Fujishima 1999, "Realtime chord recognition of musical sound", ICMC: chroma as spectral energy
    folded into pitch classes.
"""

import functools
import importlib.util
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banso.audio import Samples
from banso.chords import PITCH_CLASS_NAMES
from banso.delivery import OUTPUT_SAMPLE_RATE, Delivery
from banso.errors import ConfigError
from banso.features import LOWEST_MIDI, NUM_PITCHES, PITCH
from banso.leadsheet import LeadSheet
from banso.regions import Region
from banso.report_lanes import draw_chords, draw_grid

_MAX_COLUMNS = 2_000
# 0.19 s: resolves semitones from about 130 Hz up, where the harmony is.
_N_FFT = 8_192
_CHROMA_RANGE_HZ = (130.0, 2_100.0)
# From white to ink, and the two voices of the picture; distinguishable without colour vision.
_VOCALS_COLOUR, _BAND_COLOUR, _COLOUR_MAP = "#c2410c", "#1d4ed8", "magma"
_REGION_COLOUR = "#16a34a"


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A recording on a grid of columns.

    Attributes:
        lowest: Smallest sample of each column [columns].
        highest: Largest sample of each column [columns].
        chroma: Pitch classes, each column's maximum 1 (0 if silent) [12, columns].
    """

    lowest: Samples
    highest: Samples
    chroma: Samples


def check_drawable() -> None:
    """Raise a ConfigError if matplotlib is missing, before any work is spent."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(
            "a report needs matplotlib, which is not installed; pip install 'banso[report]'"
        )


def draw_report(
    path: Path,
    title: str,
    delivery: Delivery,
    features: Samples,
    frame_rate: float,
    *,
    sheet: LeadSheet | None = None,
    regions: Sequence[Region] = (),
) -> None:
    """Write a PNG: waveforms, pitch of the voice, chords, chroma of the accompaniment, beats.

    Args:
        path: The file to write; its name need not end in .png.
        title: What the recording is called.
        delivery: Voice and accompaniment.
        features: What was heard in the voice, [frames, features].
        frame_rate: Of the features, Hz.
        sheet: Beats and chords that the band obeyed, or None.
        regions: What of the accompaniment was made anew; it is marked.

    Raises:
        ConfigError: If matplotlib is not installed.
    """
    check_drawable()
    # Not pyplot: it would choose a display and keep figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    seconds = delivery.num_samples / OUTPUT_SAMPLE_RATE
    vocals = (delivery.survey.stereo(b) for b in delivery.vocals.blocks(OUTPUT_SAMPLE_RATE))
    figure = Figure(figsize=(12, 9), layout="constrained")
    sheet = sheet or LeadSheet()
    has_chords = bool(sheet.chords)
    heights = (1, 1, 1.6, *([0.3] if has_chords else []), 1.2)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    # A file name is not to be read as a formula, nor are its odd characters.
    figure.suptitle(_plain(title), parse_math=False)
    band = sketch(delivery.accompaniment_blocks(), delivery.num_samples)
    _draw_waveform(axes[0], sketch(vocals, delivery.num_samples), seconds, "voice", _VOCALS_COLOUR)
    _draw_waveform(axes[1], band, seconds, "accompaniment", _BAND_COLOUR)
    _draw_pitch(axes[2], features[:, PITCH], frame_rate)
    if has_chords:
        draw_chords(axes[3], sheet, seconds)
    _draw_chroma(axes[-1], band.chroma, seconds)
    draw_grid(axes, sheet, seconds)
    for region in regions:
        for lane in (axes[1], axes[-1]):
            _mark(lane, region, seconds)
    axes[-1].set_xlim(0, seconds)
    axes[-1].set_xlabel("time in seconds")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A title in a script that the font lacks shows boxes; that is no news for the user.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(path, format="png")


def sketch(blocks: Iterable[Samples], num_samples: int) -> Sketch:
    """Reduce a recording at 44.1 kHz to columns; memory does not grow with its length.

    Args:
        blocks: [channels, samples] each.
        num_samples: Their length together.
    """
    step = max(_N_FFT // 2, -(-num_samples // _MAX_COLUMNS))
    columns = [_column(piece) for piece in _pieces(blocks, step)]
    lowest, highest, chroma = zip(*columns, strict=True)
    grid = np.stack(chroma, axis=1)
    return Sketch(
        np.array(lowest, np.float32),
        np.array(highest, np.float32),
        grid / np.maximum(grid.max(axis=0), 1e-9),
    )


def _pieces(blocks: Iterable[Samples], size: int) -> Iterable[Samples]:
    """Yield mono pieces [size] (the last may be shorter) of a stream of blocks."""
    pending = np.zeros(0, np.float32)
    for block in blocks:
        pending = np.concatenate((pending, block.mean(axis=0, dtype=np.float32)))
        whole = len(pending) // size * size
        yield from pending[:whole].reshape(-1, size)
        pending = pending[whole:]
    if len(pending):
        yield pending


def _column(piece: Samples) -> tuple[float, float, Samples]:
    head = piece[:_N_FFT]
    magnitude = np.abs(np.fft.rfft(head * np.hanning(len(head)), _N_FFT))
    chroma = _chroma_matrix() @ magnitude
    # Below -60 dBFS or so it is noise, and normalising would make it look like music.
    if np.square(head).mean() < 1e-6:
        chroma = np.zeros(12)
    return float(piece.min()), float(piece.max()), chroma.astype(np.float32)


@functools.cache
def _chroma_matrix() -> NDArray[np.float64]:
    """Weights [12, bins] that fold a magnitude spectrum into pitch classes (Fujishima 1999)."""
    hz = np.fft.rfftfreq(_N_FFT, 1 / OUTPUT_SAMPLE_RATE)
    lowest, highest = _CHROMA_RANGE_HZ
    used = (hz >= lowest) & (hz <= highest)
    midi = 69 + 12 * np.log2(np.where(used, hz, 440.0) / 440.0)
    pitch_class = np.round(midi).astype(int) % 12
    weights: NDArray[np.float64] = ((pitch_class == np.arange(12)[:, None]) & used).astype(float)
    return weights


def _mark(axes: Any, region: Region, seconds: float) -> None:  # noqa: ANN401
    """Frame a region, and shade it where that does not hide a picture."""
    start, end = region.start_seconds, min(region.end_seconds, seconds)
    axes.axvspan(start, end, facecolor="none", edgecolor=_REGION_COLOUR, linewidth=1.5, zorder=3)
    if not axes.images:
        axes.axvspan(start, end, facecolor=_REGION_COLOUR, alpha=0.2, zorder=0)


def _draw_waveform(axes: Any, outline: Sketch, seconds: float, name: str, colour: str) -> None:  # noqa: ANN401
    times = np.linspace(0, seconds, len(outline.lowest))
    axes.fill_between(times, outline.lowest, outline.highest, color=colour, linewidth=0.3)
    axes.set_ylim(-1, 1)
    axes.set_ylabel(name)


def _draw_pitch(axes: Any, salience: Samples, frame_rate: float) -> None:  # noqa: ANN401
    # Frames of an hours-long song are merged; the loudest of a column is what the eye looks for.
    merge = -(-len(salience) // _MAX_COLUMNS)
    rows = np.pad(salience, ((0, -len(salience) % merge), (0, 0)))
    grid = rows.reshape(-1, merge, NUM_PITCHES).max(axis=1)
    extent = (0, len(rows) / frame_rate, LOWEST_MIDI - 0.5, LOWEST_MIDI + NUM_PITCHES - 0.5)
    axes.imshow(
        grid.T, origin="lower", aspect="auto", extent=extent, cmap=_COLOUR_MAP, vmin=0, vmax=1
    )
    octaves = range(LOWEST_MIDI, LOWEST_MIDI + NUM_PITCHES, 12)
    axes.set_yticks(octaves, [f"C{midi // 12 - 1}" for midi in octaves])
    axes.set_ylabel("pitch of the voice")


def _draw_chroma(axes: Any, chroma: Samples, seconds: float) -> None:  # noqa: ANN401
    axes.imshow(
        chroma,
        origin="lower",
        aspect="auto",
        extent=(0, seconds, -0.5, 11.5),
        cmap=_COLOUR_MAP,
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axes.set_yticks(range(12), PITCH_CLASS_NAMES, fontsize=8)
    axes.set_ylabel("accompaniment chroma")


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
