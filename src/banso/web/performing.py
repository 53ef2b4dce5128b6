"""Do one job with an `Accompanist`: from a task to a folder of files and a `result.json`.

The same function runs in a worker process and on a cluster.
"""

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from banso.conditioning import PART_NAMES
from banso.delivery import OUTPUT_SAMPLE_RATE
from banso.errors import AudioError, BansoError, BundleError, ConfigError, DataError
from banso.files import AudioReader, AudioWriter
from banso.leadsheet import LeadSheet
from banso.listening import Listening
from banso.options import GenerationOptions, OutputOptions
from banso.pipeline import Accompanist
from banso.regions import Region
from banso.results import FileResult
from banso.web.folders import RESULT_FILE, finish_folder
from banso.web.jobs import ANALYZE, Failure
from banso.web.leadsheets import lead_sheet_from_json, lead_sheet_to_json, write_sheet_files
from banso.web.messages import CANCELLED, DONE, FAILED, Message, Task

_LOG = logging.getLogger(__name__)
_CODES: tuple[tuple[type[BansoError], str], ...] = (
    (AudioError, "unusable_recording"),
    (ConfigError, "invalid_option"),
    (DataError, "invalid_lead_sheet"),
    (BundleError, "model_failed"),
)
VOCALS_FILE = "vocals.flac"

OnProgress = Callable[[float], None]


class CancelledTaskError(Exception):
    """Raised by a task's `on_progress` to give the task up."""


def generation_options(request: dict[str, Any]) -> GenerationOptions:
    """Return what a job's request asks the pipeline for.

    Raises:
        BansoError: If a value is out of range, or the lead sheet does not make sense.
    """
    sheet = request.get("lead_sheet")
    return GenerationOptions(
        style=request.get("style"),
        seed=request.get("seed"),
        num_steps=request.get("num_steps"),
        guidance_scale=request.get("guidance_scale"),
        plan=request.get("plan", "auto"),
        lead_sheet=None if sheet is None else lead_sheet_from_json(sheet),
        bpm=request.get("bpm"),
        key=request.get("key"),
        chords=request.get("chords"),
        count_in=request.get("count_in", False),
        tuning_hz=request.get("tuning_hz"),
        parts=tuple(request.get("parts", ())),
        stems=request.get("stems", False),
    )


def regions_of(request: dict[str, Any]) -> tuple[Region, ...]:
    """Return what a job's request asks to be made anew.

    Raises:
        ConfigError: If a region is too short.
    """
    asked = request["repaint"]["regions"]
    return tuple(Region(region["start_seconds"], region["end_seconds"]) for region in asked)


def output_options(request: dict[str, Any], folder: Path | None = None) -> OutputOptions:
    """Return which files a job's request asks for.

    Raises:
        ConfigError: If a value is out of range.
    """
    return OutputOptions(
        output_dir=folder,
        format=request.get("format", "wav"),
        vocal_gain_db=request.get("vocal_gain_db", 0.0),
        report=request.get("report", False),
    )


def perform(task: Task, accompanist: Accompanist, on_progress: OnProgress) -> Message:
    """Do a task and say how it ended; its files appear together, or not at all."""
    try:
        part = Path(task.part)
        part.mkdir(mode=0o700)
        do = _analyze if task.kind == ANALYZE else _accompany
        result = do(task, part, accompanist, on_progress)
        (part / RESULT_FILE).write_text(json.dumps(result), encoding="utf-8")
        finish_folder(part, Path(task.complete))
    except CancelledTaskError:
        return Message(kind=CANCELLED)
    except BansoError as error:
        message = str(error).replace(task.audio, task.name)
        if task.earlier is not None:
            message = message.replace(task.earlier, "the earlier accompaniment")
        return Message(kind=FAILED, failure=Failure(code=code_of(error), message=message))
    except Exception as error:
        _LOG.exception("job %s failed", task.id)
        text = f"something unexpected went wrong ({type(error).__name__}); the log tells more"
        return Message(kind=FAILED, failure=Failure(code="internal", message=text))
    return Message(kind=DONE, fraction=1.0, result=result)


def code_of(error: BansoError) -> str:
    """Return the word for an error that programs may rely on."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "failed")


def _analyze(
    task: Task, part: Path, accompanist: Accompanist, on_progress: OnProgress
) -> dict[str, Any]:
    """Find beats and chords; also write the voice as the page plays it."""
    recording = AudioReader(task.audio)
    on_progress(0.0)
    listening = accompanist.listen(recording)
    on_progress(0.5)
    plan = accompanist.song_plan(listening, generation_options(task.request))
    _write_vocals(recording, listening, part / VOCALS_FILE)
    return {
        "duration_seconds": recording.duration_seconds,
        "lead_sheet": lead_sheet_to_json(plan.obeyed),
        "pulse": {
            "tempo_bpm": plan.tempo_bpm,
            "confidence": plan.tempo_confidence,
            "alternatives_bpm": list(plan.tempo_alternatives_bpm),
            "beats": list(plan.sheet.beats),
            "downbeats": list(plan.sheet.downbeats),
        },
        "bundle": dataclasses.asdict(accompanist.bundle),
        "files": [_file(part / VOCALS_FILE, "vocals"), *_sheet_files(plan.obeyed, part)],
    }


def _write_vocals(recording: AudioReader, listening: Listening, path: Path) -> None:
    """Write the voice as it is in the mix: 44.1 kHz, one or two channels, at its own level."""
    num_channels = min(recording.num_channels, 2)
    with AudioWriter(path, OUTPUT_SAMPLE_RATE, num_channels, "flac") as writer:
        for block in recording.blocks(OUTPUT_SAMPLE_RATE):
            # FLAC has no room above full scale.
            stereo = listening.survey.stereo(block).clip(-1.0, 1.0)
            writer.write(stereo[:num_channels])


def _accompany(
    task: Task, part: Path, accompanist: Accompanist, on_progress: OnProgress
) -> dict[str, Any]:
    options = generation_options(task.request)
    output = output_options(task.request, part)
    on_progress(0.0)
    if task.earlier is None:
        done = accompanist.accompany_file(task.audio, output, options, on_progress)
    else:
        regions = regions_of(task.request)
        done = accompanist.repaint_file(
            task.audio, task.earlier, regions, output, options, on_progress
        )
    files = _named_files(part, Path(task.audio))
    files += _sheet_files(done.provenance.lead_sheet, part)
    return {**_told(done), "style": options.style, "files": files}


def _told(done: FileResult) -> dict[str, Any]:
    provenance = done.provenance
    sheet, lufs = provenance.lead_sheet, provenance.lufs
    return {
        "duration_seconds": done.duration_seconds,
        "seed": provenance.seed,
        "num_evaluations": provenance.num_evaluations,
        "timings": dataclasses.asdict(provenance.timings),
        # JSON has no infinity; a silent accompaniment has no loudness.
        "lufs": lufs if lufs > float("-inf") else None,
        "bundle": dataclasses.asdict(provenance.bundle),
        "lead_sheet": None if sheet is None else lead_sheet_to_json(sheet),
    }


def _named_files(part: Path, audio: Path) -> list[dict[str, Any]]:
    """Name the files by what they are, without the stored recording's own name."""
    files = []
    for path in sorted(part.iterdir()):
        role = path.name.removeprefix(f"{audio.stem}.").split(".")[0]
        named = path.rename(path.with_name(path.name.removeprefix(f"{audio.stem}.")))
        files.append(_file(named, role))
    # The parts as a band is listed, after everything else.
    order = {name: number for number, name in enumerate(PART_NAMES, 1)}
    return sorted(files, key=lambda file: order.get(file["role"], 0))


def _sheet_files(sheet: LeadSheet | None, part: Path) -> list[dict[str, Any]]:
    if sheet is None:
        return []
    return [_file(path, role) for role, path in write_sheet_files(sheet, part).items()]


def _file(path: Path, role: str) -> dict[str, Any]:
    size = path.stat().st_size
    return {"name": path.name, "role": role, "size_bytes": size, "is_part": role in PART_NAMES}
