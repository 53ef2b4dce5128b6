"""Ask judges about the bands of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from banso.audio import Audio
from banso.eval.judges import Judge, Pair, SetJudge
from banso.eval.sets import EvalItem
from banso.eval.suite import Evaluation, band_file
from banso.files import write_audio


def judged(
    evaluation: Evaluation,
    items: Sequence[EvalItem],
    audio: Path,
    single: Sequence[Judge],
    sets: Mapping[str, SetJudge],
) -> Evaluation:
    """Add what judges say to an evaluation.

    Args:
        evaluation: Whose bands were kept as files.
        items: The same items.
        audio: Folder of the bands; voices are written beside them.
        single: Judges of single bands; their scores become further metrics of the rows.
        sets: Judges of sets, by name.

    Returns:
        The evaluation with more metrics and distances.
    """
    files = _files(evaluation, audio)
    voices = [_voice_file(audio, index, item) for index, item in enumerate(items)]
    rows = {row: dict(scores) for row, scores in evaluation.rows.items()}
    for row, bands in files.items():
        pairs = [
            Pair(voice, band, item.sheet)
            for voice, band, item in zip(voices, bands, items, strict=True)
        ]
        for judge in single:
            rows[row] |= judge.judge(pairs)
    distances = {
        name: {
            row: judge.distance(files["true"], bands)
            for row, bands in files.items()
            if row not in ("true", "shuffled")
        }
        for name, judge in sets.items()
        if "true" in files
    }
    return replace(evaluation, rows=rows, distances=distances)


def _files(evaluation: Evaluation, audio: Path) -> dict[str, list[Path]]:
    """Files of every row that has some; shuffled bands are true bands of others."""
    count = len(evaluation.names)
    files = {
        row: [band_file(audio, row, index) for index in range(count)]
        for row in evaluation.observations
        if row != "shuffled"
    }
    source = files.get("true") or next(iter(files.values()))
    files["shuffled"] = [source[k] for k in evaluation.partners]
    return {row: paths for row, paths in files.items() if all(p.is_file() for p in paths)}


def _voice_file(audio: Path, index: int, item: EvalItem) -> Path:
    path = band_file(audio, "voices", index)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, Audio(item.read_vocals(), item.sample_rate), overwrite=True)
    return path
