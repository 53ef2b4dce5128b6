"""Does a codec keep the notes? Round trips of ours beside Opus, on bands and on real stems.

Where a score exists, chord accuracy and beat F1 of the round trip are divided by the original's
own; everywhere the chroma, the tracked beats and the spectrum of the two are compared.

References:
    RFC 6716 (Opus), by ffmpeg's libopus; log-mel distance and SI-SDR as in `fidelity`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from banso.eval.beat_tracking import track_beats
from banso.eval.fidelity import log_mel_distance, si_sdr, stereo_width
from banso.eval.hearing import Array, hear
from banso.eval.metrics import chord_scores, heard_beat_f1, heard_chroma_cosine
from banso.eval.stems import STEM_RATE, interleaved, run_ffmpeg
from banso.leadsheet import LeadSheet

Roundtrip = Callable[[Array], Array]

_OPUS_KBITS = (24, 32, 48)
_LONGEST_DELAY = 4096  # samples searched for a codec's delay; Opus' own is 312 at 48 kHz


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """A recording to send through a codec.

    Attributes:
        name: For the table.
        samples: Waveform [2, samples] at 44.1 kHz.
        sheet: Its score on the clip's own time line, if there is one.
    """

    name: str
    samples: Array
    sheet: LeadSheet | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundtripScores:
    """How much of a clip survives a codec; ratios are NaN without a score.

    Attributes:
        chord_accuracy_ratio: Chord accuracy of the round trip over the original's.
        beat_f1_ratio: Beat F1 of the round trip over the original's.
        chroma_cosine: Mean cosine of chroma frames.
        beat_agreement: F1 between the beats tracked in both.
        log_mel_mid_db: Log-mel distance of (L + R) / 2.
        log_mel_side_db: Log-mel distance of (L - R) / 2.
        si_sdr_db: Scale-invariant signal-to-distortion ratio, both channels together.
        stereo_width_error_db: By how much `stereo_width` differs, whichever way.
    """

    chord_accuracy_ratio: float
    beat_f1_ratio: float
    chroma_cosine: float
    beat_agreement: float
    log_mel_mid_db: float
    log_mel_side_db: float
    si_sdr_db: float
    stereo_width_error_db: float


def compare_codecs(
    clips: Sequence[Clip], codecs: Mapping[str, Roundtrip]
) -> dict[str, dict[str, RoundtripScores]]:
    """Send every clip through every codec.

    Args:
        clips: Held-out recordings.
        codecs: Name → round trip; see `opus_codecs` for the yardsticks.

    Returns:
        Scores by codec, then by clip.
    """
    return {
        name: {clip.name: score_roundtrip(clip, roundtrip(clip.samples)) for clip in clips}
        for name, roundtrip in codecs.items()
    }


def score_roundtrip(clip: Clip, restored: Array) -> RoundtripScores:
    """Compare a clip with what a codec made of it.

    Args:
        clip: The original.
        restored: Round trip [2, samples], aligned to the sample; cut or padded to the clip.

    Returns:
        All scores of the table.
    """
    num_samples = clip.samples.shape[1]
    restored = np.pad(restored, ((0, 0), (0, max(0, num_samples - restored.shape[1]))))
    restored = restored[:, :num_samples]
    before, after = hear(clip.samples, STEM_RATE), hear(restored, STEM_RATE)
    chords = beats = float("nan")
    if clip.sheet is not None:
        spans, score_beats = clip.sheet.chords, np.array(clip.sheet.beats)
        chords = _ratio(*(chord_scores(heard, spans).accuracy for heard in (after, before)))
        beats = _ratio(*(heard_beat_f1(score_beats, heard) for heard in (after, before)))
    mel = log_mel_distance(clip.samples, restored, STEM_RATE)
    return RoundtripScores(
        chord_accuracy_ratio=chords,
        beat_f1_ratio=beats,
        chroma_cosine=heard_chroma_cosine(before, after),
        beat_agreement=heard_beat_f1(track_beats(before), after),
        log_mel_mid_db=mel.mid_db,
        log_mel_side_db=mel.side_db,
        si_sdr_db=si_sdr(clip.samples, restored),
        stereo_width_error_db=abs(stereo_width(restored) - stereo_width(clip.samples)),
    )


def opus_codecs(*, ffmpeg: str = "ffmpeg") -> dict[str, Roundtrip]:
    """Opus at 24, 32 and 48 kbit/s as round trips, by name.

    Args:
        ffmpeg: Program with libopus.

    Returns:
        Name → round trip; each raises `AudioError` if ffmpeg or its libopus is missing.
    """

    def codec(kbits: int) -> Roundtrip:
        return lambda samples: opus_roundtrip(samples, kbits, ffmpeg=ffmpeg)

    return {f"Opus {kbits} kbit/s": codec(kbits) for kbits in _OPUS_KBITS}


def opus_roundtrip(samples: Array, kbits: int, *, ffmpeg: str = "ffmpeg") -> Array:
    """Encode with Opus and decode again, aligned to the sample.

    Args:
        samples: Waveform [2, samples] at 44.1 kHz.
        kbits: Bit rate in kbit/s, variable.
        ffmpeg: Program with libopus.

    Returns:
        Waveform of the same shape.

    Raises:
        AudioError: If ffmpeg or its libopus is missing.
    """
    raw = ["-f", "f32le", "-ar", str(STEM_RATE), "-ac", "2"]
    data = np.ascontiguousarray(samples.T, dtype="<f4").tobytes()
    with TemporaryDirectory() as folder:
        coded = str(Path(folder) / "coded.opus")
        opus = ["-c:a", "libopus", "-b:a", f"{kbits}k", coded]
        run_ffmpeg([*raw, "-i", "pipe:0", *opus], ffmpeg=ffmpeg, data=data)
        restored = interleaved(run_ffmpeg(["-i", coded, *raw, "-"], ffmpeg=ffmpeg))
    return align(samples, restored)


def align(reference: Array, delayed: Array) -> Array:
    """Shift a codec's output so that it lines up with its input.

    The delay is where the cross-correlation over the loudest ten seconds peaks.

    Args:
        reference: Input [channels, samples].
        delayed: Output [channels, samples], up to 4 096 samples early or late.

    Returns:
        Output of the input's shape.
    """
    lag = _best_lag(reference.mean(axis=0), delayed.mean(axis=0))
    shifted = delayed[:, lag:] if lag >= 0 else np.pad(delayed, ((0, 0), (-lag, 0)))
    num_samples = reference.shape[1]
    return np.pad(shifted, ((0, 0), (0, max(0, num_samples - shifted.shape[1]))))[:, :num_samples]


def codec_table(results: Mapping[str, Mapping[str, RoundtripScores]]) -> str:
    """Write scores, averaged over clips, as a Markdown table with one row per codec."""
    columns = list(RoundtripScores.__slots__)
    lines = ["| codec | " + " | ".join(column.replace("_", " ") for column in columns) + " |"]
    lines.append("|" + "---|" * (len(columns) + 1))
    for name, scores in results.items():
        means = [_mean(asdict(score)[column] for score in scores.values()) for column in columns]
        lines.append(f"| {name} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    return "\n".join(lines).replace("nan", "–") + "\n"


def _best_lag(reference: Array, delayed: Array) -> int:
    length = min(len(reference), len(delayed), 10 * STEM_RATE)
    start = _loudest_start(reference[: len(delayed)], length)
    a, b = reference[start : start + length], delayed[start : start + length]
    size = 1 << (2 * length - 1).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    lags = np.arange(-_LONGEST_DELAY, _LONGEST_DELAY + 1)
    return int(lags[np.argmax(correlation[lags])])


def _loudest_start(mono: Array, length: int) -> int:
    starts = range(0, len(mono) - length + 1, STEM_RATE)
    return max(starts, key=lambda start: float(np.sum(mono[start : start + length] ** 2)))


def _ratio(after: float, before: float) -> float:
    return after / before if before > 0 else float("nan")


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
