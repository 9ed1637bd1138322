"""Names and decoding of photos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image
from support.field import ROOT


def test_only_the_decoders_of_photos_are_loaded(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for encoding in ("PNG", "JPEG", "WEBP", "AVIF"):
        Image.new("RGB", (16, 16)).save(tmp_path / encoding, encoding, exif=exif)
    code = f"""
from pathlib import Path
from PIL import Image
from shoepair.ingestion import decoding
for path in sorted(Path({str(tmp_path)!r}).iterdir()):
    decoding.decode_photo(path, 16)
print(*sorted(Image.OPEN))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    # An EXIF block is a small TIFF, so Pillow loads that module to read it; no file is ever offered to its decoder.
    assert set(done.stdout.split()) <= {"JPEG", "PNG", "WEBP", "AVIF", "TIFF"}
