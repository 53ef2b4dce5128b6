"""What is to be evaluated, checked where it enters, and the songs that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from banso.errors import ConfigError, DataError
from banso.eval.sets import EvalItem, load_excerpts, load_items, load_voices
from banso.eval.suite import NUM_CANDIDATES, Mode
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

SETS = ("pop909", "lieder", "stems", "voices", "robustness")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is to be evaluated, and how.

    Attributes:
        bundle: Folder of the model; None takes the one inside the package.
        kind: One of `SETS`.
        data: Its folders: a data set with a `manifest.json`; for `stems` of one song each; for
            `voices` one of recordings.
        out: Folder of the report.
        options: Seed (also of the shuffling), steps and guidance; its lead sheet and plan are not
            looked at.
        modes: `given`, `vocal`, `auto`; None takes all that bundle and set allow.
        split: Which songs of a data set.
        limit: At most so many songs.
        max_seconds: Only so much of the beginning of each.
        shuffle_with: With `stems`: folders of further songs, whose bands are `shuffled`.
        num_candidates: Among how many bands a voice's own is looked for.
        baseline: Whether to make bands by rule as well.
        published: Checkpoint of the published network, trained on latents of the bundle's codec, to
            make bands as well; None for none.
        judges: Further judges by name; see `judges`.
        cache: Folder of what was observed before; None keeps nothing.
        workers: Processes that look at bands while the next one is made; 0 for none.

    Raises:
        ConfigError: If the set is unknown or has too few or too many folders.
    """

    bundle: Path | None
    kind: str
    data: tuple[Path, ...]
    out: Path
    options: GenerationOptions
    modes: tuple[Mode, ...] | None = None
    split: str = "test"
    limit: int | None = None
    max_seconds: float | None = None
    shuffle_with: tuple[Path, ...] = ()
    num_candidates: int = NUM_CANDIDATES
    baseline: bool = True
    published: Path | None = None
    judges: tuple[str, ...] = ()
    cache: Path | None = None
    workers: int = 2

    def __post_init__(self) -> None:
        if self.kind not in SETS:
            raise ConfigError(f"set is '{self.kind}'; choose one of {', '.join(SETS)}")
        if not self.data:
            raise ConfigError("there is nothing to evaluate; give --data, --voices or --codec")
        if len(self.data) > 1 and self.kind != "stems":
            raise ConfigError(f"the set {self.kind} has one folder; {len(self.data)} were given")

    @property
    def has_score(self) -> bool:
        """Whether beats and chords of the songs are known."""
        return self.kind not in ("stems", "voices")


def load_set(request: Request) -> list[EvalItem]:
    """Load the songs of a request.

    Raises:
        DataError: If a folder does not hold what the set needs.
    """
    limit, seconds = request.limit, request.max_seconds
    if request.kind == "stems":
        return load_excerpts(request.data, limit=limit, max_seconds=seconds)
    if request.kind == "voices":
        return load_voices(request.data[0], limit=limit, max_seconds=seconds)
    return load_items(request.data[0], split=request.split, limit=limit, max_seconds=seconds)


def load_partners(request: Request) -> list[EvalItem]:
    """Load further songs whose bands are `shuffled`."""
    if not request.shuffle_with:
        return []
    return load_excerpts(request.shuffle_with, limit=request.limit, max_seconds=request.max_seconds)


def load_bystanders(request: Request, num_songs: int) -> list[EvalItem]:
    """Load as many songs of other splits as the retrieval lacks candidates."""
    lacking = request.num_candidates - num_songs
    if not request.has_score or lacking < 2:
        return []
    other = "train" if request.split != "train" else "test"
    seconds = request.max_seconds
    try:
        return load_items(request.data[0], split=other, limit=lacking, max_seconds=seconds)
    except DataError:
        # A set of held-out songs alone has nobody else; retrieval then has fewer candidates.
        return []


def facts_of(request: Request, accompanist: Accompanist) -> Mapping[str, str]:
    """Return what a reader has to know of an evaluation besides its numbers."""
    sampler = request.options.sampler(accompanist.sampler)
    facts = {
        "set": request.kind,
        "data": ", ".join(folder.name for folder in request.data),
        "split": request.split if request.has_score else "",
        "bundle": f"{accompanist.bundle.name} {accompanist.bundle.hash}",
        "sampler": f"{sampler.num_steps} steps, guidance {sampler.guidance_scale}",
        "length": f"the first {request.max_seconds:g} s of each" if request.max_seconds else "",
        "shuffled with": ", ".join(folder.name for folder in request.shuffle_with),
    }
    return {name: text for name, text in facts.items() if text}
