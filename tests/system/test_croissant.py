"""The model card, the data card and the Croissant metadata: the same numbers again, and no more than is known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Run
from support.pages import CLASS, cards

from shoepair.data import contact_sheets
from shoepair.reports.formatting import CROISSANT_PATH
from shoepair.runtime import paths

NO_NETWORK = """
import socket, sys

def refused(*_, **__):
    raise OSError("no network in this test")

socket.socket.connect = socket.getaddrinfo = refused
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def offline(code: str) -> str:
    """What a program prints that cannot reach a network."""
    done = subprocess.run([sys.executable, "-c", NO_NETWORK + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def validated() -> str:
    """What `mlcroissant validate --jsonld reports/croissant.json` says, without a network."""
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    words = ["mlcroissant", "validate", "--jsonld", str(CROISSANT_PATH)]
    return offline(f"sys.argv = {words}\nfrom mlcroissant.scripts.cli import main\nmain()")


@pytest.mark.parametrize("sets", [None, {"train": 4, "valid": 8}], ids=["tests", "no tests"])
def test_metadata_pass_the_real_validator_offline(sets: dict[str, int] | None) -> None:
    cards(sets=sets)
    said = validated()
    assert "Done." in said
    # What nobody knows is recommended, and left out.
    missing = {line.split('"')[1].rpartition("/")[2] for line in said.splitlines() if "is recommended" in line}
    assert missing == {"citeAs", "datePublished", "version"}
    assert "not standard" not in said


def test_validator_would_see_a_fault() -> None:
    cards()
    document = json.loads(CROISSANT_PATH.read_text())
    del document["distribution"][0]["encodingFormat"]
    CROISSANT_PATH.write_text(json.dumps(document))
    with pytest.raises(AssertionError, match="encodingFormat"):
        validated()


def test_programs_read_the_students_and_pairs_by_the_metadata() -> None:
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    cards()
    code = f"""
import mlcroissant
data = mlcroissant.Dataset({str(CROISSANT_PATH)!r})
for name in ("splits", "students", "pairs"):
    rows = list(data.records(name))
    print(name, len(rows), rows[0])
"""
    lines = [line for line in offline(code).splitlines() if line.startswith(("splits ", "students ", "pairs "))]
    whole = sum(CLASS.values())
    assert [line.split()[:2] for line in lines] == [
        ["splits", "4"],
        ["students", str(whole)],
        ["pairs", str(9 * whole)],
    ]
    assert "'pairs/same': 1" in lines[2]


def test_programs_load_pairs_of_pictures_by_the_metadata() -> None:
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    cards()
    contact_sheets.write_sheets("a", paths.sheets_path("a"))
    code = f"""
import mlcroissant
rows = list(mlcroissant.Dataset({str(CROISSANT_PATH)!r}).records("photo-pairs"))
print("loaded", len(rows), rows[1]["photo-pairs/left_photo"].size, rows[1]["photo-pairs/right_photo"].mode)
"""
    assert f"loaded {9 * sum(CLASS.values())} (32, 32) RGB" in offline(code)


@pytest.mark.usefixtures("trained")
def test_metadata_of_the_pipeline_pass_the_command(run: Run) -> None:
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    assert "Done." in run("mlcroissant", "validate", "--jsonld", str(CROISSANT_PATH)).stderr
