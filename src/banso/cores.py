"""How many CPU cores there are for this process."""

import math
import os
from pathlib import Path

# Time that a container may compute, and in what period, in microseconds: control groups of
# version 2 in one file, of version 1 in two.
_LIMIT = Path("/sys/fs/cgroup/cpu.max")
_LIMIT_V1 = Path("/sys/fs/cgroup/cpu")


def usable_cores() -> int:
    """Return how many cores this process may use, be it in a container; at least 1.

    References:
        Linux kernel documentation, "Control Group v2", `cpu.max`: microseconds of CPU time in
        each period, or `max`; "CFS Bandwidth Control", `cpu.cfs_quota_us`: -1 for no limit.
    """
    cores = float(os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    quota, _, period = _limit().partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        cores = min(cores, int(quota) / int(period))
    return max(1, math.ceil(cores))


def _limit() -> str:
    """Quota and period as one line; empty where nothing limits, as on other systems than Linux."""
    for files in ((_LIMIT,), (_LIMIT_V1 / "cpu.cfs_quota_us", _LIMIT_V1 / "cpu.cfs_period_us")):
        try:
            return " ".join(file.read_text(encoding="ascii").strip() for file in files)
        except OSError:
            continue
    return ""
