"""dvc.lock read line by line, as DVC writes it: which stage has which outputs, and the record of one stage.

Parsed as YAML, the records of a hundred batches take seconds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from shoepair.runtime import input_files, yaml_files
from shoepair.runtime.errors import ShoepairError

LOCK_PATH = Path("dvc.lock")
REPAIR_HINT = "run `shoepair doctor`, or `git checkout` the file"
STAGE_LINE = re.compile(r"^  (\S.*?):$", re.MULTILINE)
OUT_PATH = re.compile(r"^    - path: (.+)$", re.MULTILINE)


def _read_texts() -> dict[str, str]:
    """Return the lines of every stage; none without a dvc.lock."""
    if not LOCK_PATH.is_file():
        return {}
    content = input_files.read_bytes(LOCK_PATH, yaml_files.MAX_RECORD_BYTES, REPAIR_HINT)
    text = content.decode(errors="replace")
    if not re.search(r"^stages:", text, re.MULTILINE):
        message = f"{LOCK_PATH}: not a DVC record"
        raise ShoepairError(message, fix=REPAIR_HINT)
    _, *parts = STAGE_LINE.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def read_outs_by_stage() -> dict[str, list[str]]:
    """Return the paths of the outputs of every recorded stage, by its name, such as "train@cnn".

    Raises:
        ShoepairError: dvc.lock is none.
    """
    return {stage: OUT_PATH.findall(text.partition("\n    outs:\n")[2]) for stage, text in _read_texts().items()}


def read_stage(stage: str) -> dict[str, Any]:
    """Return the record of one stage: `cmd`, `deps`, `params`, `outs`.

    Raises:
        ShoepairError: there is none, or it is not as DVC writes it.
    """
    return yaml_files.parse_mapping(_read_texts()[stage].encode(), f"{LOCK_PATH}, stage {stage}", REPAIR_HINT)
