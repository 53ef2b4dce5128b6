"""What goes over HTTP, checked by pydantic; nothing behind this edge knows pydantic."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from banso.options import MAX_SEED, VOCAL_GAIN_RANGE_DB
from banso.web.jobs import ID_PATTERN

_MAX_BEATS = 50_000
_LOWEST_GAIN, _HIGHEST_GAIN = VOCAL_GAIN_RANGE_DB

Id = Annotated[str, Field(pattern=ID_PATTERN, description="24 hexadecimal digits.")]
Seconds = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Status = Literal["ok", "starting", "degraded"]


class _Body(BaseModel):
    """What a client sends: unknown fields are mistakes, and 1 is not true."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(BaseModel):
    """What is wrong.

    `code` is a word for programs, `message` a sentence for people.
    """

    code: str = Field(examples=["queue_full"])
    message: str


class ErrorAnswer(BaseModel):
    """The answer to every request that cannot be met."""

    error: ErrorBody


class RecordingAnswer(BaseModel):
    """A recording that was uploaded."""

    id: Id
    name: str
    created: float = Field(description="Seconds since 1970.")
    size_bytes: int
    duration_seconds: float
    sample_rate: int = Field(description="Hz.")
    num_channels: int
    num_takes: int = Field(description="How many accompaniments of it are done.")


class RecordingsAnswer(BaseModel):
    """Recordings, newest first."""

    recordings: list[RecordingAnswer]


class Chord(_Body):
    """One chord and when it sounds."""

    start_seconds: Seconds
    end_seconds: Seconds
    label: Annotated[str, Field(max_length=40, examples=["A:min"], description="MIREX; N is none.")]


class SheetSection(_Body):
    """Where a part of a song begins."""

    start_seconds: Seconds
    name: Annotated[str, Field(max_length=100, examples=["Chorus"])]


class Sheet(_Body):
    """Beats and chords on the recording's own time line; what is unknown stays empty."""

    beats: Annotated[list[Seconds], Field(max_length=_MAX_BEATS)] = []
    downbeats: Annotated[list[Seconds], Field(max_length=_MAX_BEATS)] = []
    chords: Annotated[list[Chord], Field(max_length=_MAX_BEATS)] = []
    key: Annotated[str, Field(max_length=20, examples=["C:maj"])] | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    beat_unit: Literal[1, 2, 4, 8, 16, 32] = Field(4, description="4 is a quarter note.")
    sections: Annotated[list[SheetSection], Field(max_length=1000)] = []


SheetText = Annotated[
    str,
    Field(
        max_length=200_000,
        description="A lead sheet as banso's text format has it.",
        examples=["key: Am\ntempo: 92\nstart: 0.4\n\n| Am | F | C | G |\n"],
    ),
]


class SheetBody(_Body):
    """A lead sheet in one of its forms."""

    lead_sheet: Sheet | None = None
    text: SheetText | None = None


class SheetAnswer(BaseModel):
    """A lead sheet in both forms."""

    lead_sheet: Sheet
    text: str


class RegionBody(_Body):
    """A stretch of time."""

    start_seconds: Seconds
    end_seconds: Seconds


class Repaint(_Body):
    """What to make anew of an accompaniment; everything else stays as it is, bit by bit."""

    job_id: Id
    regions: Annotated[list[RegionBody], Field(min_length=1, max_length=32)]


class Wishes(_Body):
    """What is fixed about a song; the rest is found in the voice."""

    lead_sheet: Sheet | None = Field(None, description="Beats and chords to obey.")
    lead_sheet_text: SheetText | None = Field(None, description="The same as text.")
    bpm: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = Field(
        None, description="Tempo to obey exactly."
    )
    key: Annotated[str, Field(max_length=20, examples=["Am"])] | None = Field(
        None, description="Key to stay in."
    )
    chords: Annotated[str, Field(max_length=2000, examples=["C Am F G"])] | None = Field(
        None, description="A chord for each bar, again and again."
    )
    tuning_hz: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = Field(
        None, description="Frequency of the band's A4; as the voice is tuned by default."
    )


class JobBody(Wishes):
    """What to make of a recording."""

    recording_id: Id
    style: Annotated[str, Field(max_length=60)] | None = Field(
        None, description="Name of a style; the model chooses by default."
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = Field(
        None, description="Makes the result repeatable; drawn by default."
    )
    variations: Annotated[int, Field(ge=1, le=8)] = Field(
        1, description="So many jobs, with seeds that count up from `seed`."
    )
    num_steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    plan: Literal["auto", "none"] = Field(
        "auto", description="Without a lead sheet: find beats and chords in the voice, or do not."
    )
    count_in: bool = Field(False, description="Count the singer in, if there is room for it.")
    parts: Annotated[list[Literal["drums", "bass", "harmony", "extra"]], Field(max_length=4)] = (
        Field([], description="Parts to write; none for the whole band.")
    )
    stems: bool = Field(False, description="Play part after part, each into a file of its own.")
    repaint: Repaint | None = Field(None, description="Start from an accompaniment of earlier.")
    format: Literal["wav", "flac", "mp3"] = "wav"
    vocal_gain_db: Annotated[
        float, Field(ge=_LOWEST_GAIN, le=_HIGHEST_GAIN, allow_inf_nan=False)
    ] = 0.0
    report: bool = Field(False, description="Also draw a picture.")


class FailureAnswer(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class FileAnswer(BaseModel):
    """A file to fetch."""

    name: str
    role: str = Field(examples=["accompaniment", "mix", "vocals", "drums", "lead_sheet", "midi"])
    is_part: bool = Field(False, description="Whether it is one part of the accompaniment.")
    size_bytes: int
    url: str


class Pulse(BaseModel):
    """Tempo and beats as heard in the voice, however uncertain."""

    tempo_bpm: float | None
    confidence: float = Field(description="Probability that the beats are right; 1 if given.")
    alternatives_bpm: list[float]
    beats: list[float]
    downbeats: list[float]


class ResultAnswer(BaseModel):
    """What came of a job; an analysis has a lead sheet, a pulse and the voice as a file only."""

    duration_seconds: float
    files: list[FileAnswer]
    lead_sheet: Sheet | None = None
    pulse: Pulse | None = None
    style: str | None = None
    seed: int | None = None
    num_evaluations: int | None = None
    timings: dict[str, float] | None = None
    lufs: float | None = None
    bundle: dict[str, str]


class JobAnswer(BaseModel):
    """A job and how far it is."""

    id: Id
    recording_id: Id
    kind: Literal["analyze", "accompany"]
    state: State
    progress: float = Field(ge=0, le=1, description="How much of it is done.")
    num_ahead: int = Field(description="How many waiting jobs come first.")
    created: float
    started: float | None
    finished: float | None
    attempts: int
    request: dict[str, Any]
    failure: FailureAnswer | None
    result: ResultAnswer | None


class JobsAnswer(BaseModel):
    """Jobs; newest first in lists, in order of their seeds when just made."""

    jobs: list[JobAnswer]


class OptionsAnswer(BaseModel):
    """What this service offers and what it takes."""

    version: str
    bundle: dict[str, str]
    styles: list[str]
    parts: list[str] = Field(description="That can be asked for; none if the model knows none.")
    formats: list[str]
    can_report: bool
    can_guide: bool = Field(description="Whether another guidance_scale may be asked for.")
    max_upload_bytes: int
    max_seconds: float
    keep_days: float | None


class StylesAnswer(BaseModel):
    """Names of styles."""

    styles: list[str]


class HealthAnswer(BaseModel):
    """Whether the service does its work."""

    status: Status
    version: str
    workers: int
    workers_alive: int
    queued: int
    running: int
    problem: str | None = None


class SessionBody(_Body):
    """The token that a service asks for."""

    token: Annotated[str, Field(max_length=1000)]
