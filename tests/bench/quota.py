"""Holds processes to a part of a core each, with the kernel's CFS quota: what Kubernetes makes of `limits.cpu`.

On a machine with few cores this shows how work grows with the number of processes: each has the same share, and there
is room beside them for what they all ask. Wants a control group file system that may be written, as root has it.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
"""Kubernetes' own (Linux: cpu.cfs_period_us, cpu.max)."""


def possible() -> bool:
    """Whether control groups can be made here."""
    at = ROOT / "cpu" if (ROOT / "cpu").is_dir() else ROOT
    return os.access(at, os.W_OK)


@contextmanager
def held_to(cores: float) -> Generator[Path]:
    """A control group of its own; a process whose number is written to the file that is given has `cores` of CPU.

    It must have ended when this ends.
    """
    quota_us, name = int(cores * PERIOD_US), f"routernesia-bench-{os.getpid()}-{os.urandom(3).hex()}"
    if (ROOT / "cpu").is_dir():
        group = ROOT / "cpu" / name
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    else:
        (ROOT / "cgroup.subtree_control").write_text("+cpu")
        group = ROOT / name
        group.mkdir()
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
    try:
        yield group / "cgroup.procs"
    finally:
        group.rmdir()
