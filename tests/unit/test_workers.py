import logging
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from banso.data.workers import give_back_memory, run_jobs
from banso.errors import DataError

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Number:
    value: int

    @property
    def name(self):
        return f"number-{self.value}"


def halve(job):
    if job.value % 2:
        raise DataError(f"{job.value} is odd")


@pytest.mark.parametrize("workers", [1, 2])
def test_rejected_jobs_are_named_and_the_way_is_told(workers, caplog):
    caplog.set_level(logging.INFO, logger="banso.data.workers")
    assert run_jobs(halve, [Number(k) for k in range(30)], workers) == 15
    lines = [record.getMessage() for record in caplog.records]
    assert sorted(line for line in lines if "rejected" in line) == sorted(
        f"number-{k} rejected: {k} is odd" for k in range(1, 30, 2)
    )
    assert [line for line in lines if "done" in line] == [
        f"{k} of 30 done" for k in range(3, 31, 3)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_that_was_freed_goes_back():
    def resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    give_back_memory()
    before = resident()
    # Too small for mappings of their own, and each followed by something that stays.
    pieces, kept = [], []
    for _ in range(2000):
        pieces.append(b"x" * 60_000)
        kept.append(b"y" * 1000)
    assert resident() > before + 80
    del pieces
    give_back_memory()
    assert resident() < before + 20


def test_nothing_to_do_is_done_at_once(caplog):
    assert run_jobs(halve, [], 1) == 0
    assert not caplog.records


def test_a_mistake_of_the_program_is_not_swallowed():
    with pytest.raises(AttributeError):
        run_jobs(halve, [object()], 1)
