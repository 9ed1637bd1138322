"""Memory of a fresh process that decodes one of the largest photos of phones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.commands import use_real_programs
from support.field import ROOT
from support.memory import PRINT_PEAK

from benchmarks.heif_files import encode_tile, make_grid, make_heif

SIZE = (12_000, 9_000)
MEGABYTES = {"JPEG": 600, "progressive": 600, "WEBP": 600, "HEIC": 1500}
CODE = """
import sys
from pathlib import Path
from shoepair.ingestion import decoding
assert decoding.decode_photo(Path(sys.argv[1]), 224).original == (12_000, 9_000)
"""


def write_photo(path: Path, kind: str) -> None:
    """Write a photo of 108 million pixels."""
    noise = np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8)
    tile = Image.fromarray(noise).resize((16, 16)).resize((512, 512))
    if kind == "HEIC":
        path.write_bytes(make_heif(make_grid(encode_tile(tile), 24, 18, SIZE)))
    elif kind == "WEBP":
        tile.resize(SIZE).save(path, kind, method=0)
    else:
        tile.resize(SIZE).save(path, "JPEG", progressive=kind == "progressive")


@pytest.mark.parametrize("kind", MEGABYTES)
def test_largest_photos_of_phones_are_decoded_within_their_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_real_programs(monkeypatch)
    write_photo(tmp_path / "photo", kind)
    command = [sys.executable, "-c", CODE + PRINT_PEAK, str(tmp_path / "photo")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert 50 < int(done.stdout) <= MEGABYTES[kind]
