"""Work that other processes do for tests."""

from __future__ import annotations

import os
import time
from pathlib import Path


def stay(_piece: int, notes: Path) -> None:
    (notes / str(os.getpid())).touch()
    time.sleep(600)
