"""Metadata of photos: no location or device in any output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support.field import EDGE, outputs, write_class

from shoepair.runtime import paths
from stages import ingest, normalize, validate

RNG = np.random.default_rng(5)


@pytest.mark.usefixtures("project")
def test_no_location_or_device_gets_into_any_output() -> None:
    secrets = [b"51.477928-0.001545", b"SHOECAM-9000", b"XMP-SECRET", b"COMMENT-SECRET", b"THUMB-SECRET"]
    write_class(paths.raw_path("tiny"))
    for number, path in enumerate(sorted(paths.raw_path("tiny").rglob("*.jpg"))):
        exif = Image.Exif()
        exif[0x010F] = secrets[1].decode()
        exif.get_ifd(0x8825)[0x001D] = secrets[0].decode()
        exif.get_ifd(0x8769)[0x927C] = secrets[4]
        image = Image.fromarray(RNG.integers(0, 256, (EDGE, EDGE, 3), np.uint8))
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", secrets[3].decode())
        image.save(path, "PNG" if number % 2 else "JPEG", exif=exif, comment=secrets[3], xmp=secrets[2], pnginfo=info)
    photos = b"".join(path.read_bytes() for path in paths.raw_path("tiny").rglob("*.jpg"))
    assert [secret for secret in secrets if secret not in photos] == [], "not planted"
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    written = {name: data for name, data in outputs(Path()).items() if not name.startswith("data/raw")}
    assert len(written) >= 4
    assert [(name, secret) for name, data in written.items() for secret in secrets if secret in data] == []
