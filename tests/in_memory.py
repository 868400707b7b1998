"""Where tests write: into memory, where the machine has room for it.

A homeserver and a database wait for their disk at each commit, and nothing that a test writes is kept. A whole run
leaves less than 1 GB. Not done where somebody has chosen a place (`TMPDIR`), where memory is short, or where nothing
may be executed from there: some tests start programs from their folders.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")
_ENOUGH = 6 * 1024**3


def write_into_memory() -> None:
    """Let this process and whatever it starts make their temporary folders in memory."""
    if "TMPDIR" in os.environ or sys.platform != "linux" or not _fits():
        return
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None


def _fits() -> bool:
    if not os.access(_MEMORY, os.W_OK) or os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        return False
    return min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available) > _ENOUGH
