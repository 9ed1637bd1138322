"""Names of batches: which are valid, and which one is made of the name of a folder or archive."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from shoepair.runtime.errors import ShoepairError, escape_unprintable

BATCH_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Windows has devices of these names, in every folder and with any suffix: a clone there could not have the batch.
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
ARCHIVE_SUFFIX = re.compile(r"\.(zip|tar|t[gbx]z|tbz2|tzst|tar\.(gz|bz2|xz|zst|lzma|z))$")
MAX_NAME_LENGTH = 63


def derive_batch_name(source: str | Path) -> str:
    """Return the name of a batch from that of its folder or archive: "My Photos/Winter 2.zip" is "winter-2".

    Small letters without accents, digits, '-' and '_' stay; everything between them becomes one '-'.

    Raises:
        ShoepairError: nothing of the name is left.
    """
    name = Path(os.path.abspath(source)).name.casefold()  # noqa: PTH100  # `.` and `..` have a name; links keep theirs
    stem = name if Path(source).is_dir() else ARCHIVE_SUFFIX.sub("", name)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", stem) if not unicodedata.combining(letter))
    derived = re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:MAX_NAME_LENGTH].rstrip("-_")
    if not BATCH_NAME_PATTERN.fullmatch(derived):
        message = f"{escape_unprintable(name)}: no letters a-z and no digits, of which the name of a batch is made"
        raise ShoepairError(message, fix="give one: --name winter, or `make repro PHOTOS=... NAME=winter`")
    return derived
