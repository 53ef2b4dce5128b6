"""How a service is run, checked where it enters."""

from dataclasses import dataclass, field
from pathlib import Path

from banso.cores import usable_cores
from banso.errors import ConfigError

ENGINES = ("processes", "ray")
_MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """What a service may use, and what it takes from whom.

    Attributes:
        data_folder: Where recordings, results and the database are kept.
        bundle: Folder of the model; None takes the one inside the package.
        workers: Jobs that run at once, each in a process of its own.
        engine: Where they run: `processes` on this machine, or `ray` on a cluster.
        queue_length: Jobs that may wait; more are refused.
        max_upload_bytes: Largest recording, as a file.
        max_seconds: Longest recording.
        job_seconds: What one job may take before it is ended.
        keep_days: After so many days recordings and results are deleted; None keeps them.
        token: What a client must know; None lets everybody in who reaches the port.
        hosts: Names under which the service is reached, beside those of this machine.
    """

    data_folder: Path
    bundle: Path | None = None
    workers: int = 1
    engine: str = "processes"
    queue_length: int = 32
    max_upload_bytes: int = 200 * _MEBIBYTE
    max_seconds: float = 900.0
    job_seconds: float = 900.0
    keep_days: float | None = 30.0
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ConfigError(f"engine is '{self.engine}'; choose one of {', '.join(ENGINES)}")
        if not 1 <= self.workers <= 256:
            raise ConfigError(f"workers is {self.workers}; choose 1 to 256")
        for name in ("queue_length", "max_upload_bytes", "max_seconds", "job_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; choose more than 0")
        if self.keep_days is not None and not self.keep_days > 0:
            raise ConfigError(f"keep_days is {self.keep_days}; choose more than 0")
        if self.token is not None and len(self.token) < 8:
            raise ConfigError(
                f"the token has {len(self.token)} characters; choose at least 8, at random"
            )

    @property
    def threads_per_worker(self) -> int:
        """How many CPU threads each worker may use, so that together they use all cores."""
        return max(1, usable_cores() // self.workers)
