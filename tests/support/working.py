"""Tasks that other processes run in tests."""

from __future__ import annotations

import os
import time
from pathlib import Path


def stay(_task: int, notes: Path) -> None:
    (notes / str(os.getpid())).touch()
    time.sleep(600)
