"""The benchmarks run and count correctly; no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import usage
from support.field import ROOT, write_photo

from benchmarks import duplicates, engine, growth, pipeline, scale, serve
from shoepair.ingestion import decoding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for student in (1, 2):
        for pair in (1, 2, 3):
            for number, side in enumerate(("left", "right")):
                path = tmp_path / "train" / f"u{student:03}_{pair}_{side}_m.jpg"
                write_photo(path, [student, pair, number], edge=224)
    return tmp_path


def test_every_part_is_measured_beside_its_reference(folder: Path) -> None:
    rows = pipeline.data_stages(folder, times=1) + pipeline.training_stage(pipeline.read_photos(folder), times=1)
    names = ["ingest", "validate", "normalize", "stored", "train cnn", "train cnn_channel", "train siamese"]
    assert [row["what"] for row in rows] == names
    assert all(row["ours"] > 0 and row["reference"] > 0 for row in rows)
    stored = rows[3]
    assert stored["reference"] == 12 * 224 * 224 * 3
    assert 1 < stored["ratio"] <= 1.02
    assert len(pipeline.format_table(rows).splitlines()) == 1 + len(names)


def test_folder_that_is_not_there_is_one_line() -> None:
    words = [sys.executable, "-m", "benchmarks.pipeline", "no/where"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no/where: no such folder")


def test_training_alone_reports_its_peak(folder: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.pipeline", str(folder), "--only-train", "cnn_channel", "--epochs", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["peak_mb"] > 0


def test_both_designs_are_measured_on_a_batch_that_joins() -> None:
    ours, other = growth.compare([12], students=2, times=1)
    assert set(growth.PER_BATCH) <= ours.keys()
    assert growth.batch_seconds(ours) > 0
    assert ours["own"] > 2 * 6 * 224 * 224 * 3, "a store holds every pixel"
    assert 1 <= ours["added"] / ours["own"] < 1.1
    assert other["added"] > 14 * 6 * 224 * 224 * 3, "the one stage wrote everybody anew"
    assert len(growth.format_table([ours, other]).splitlines()) == 5


def test_all_planted_copies_are_found_among_fingerprints() -> None:
    numbers = duplicates.measure(3000, bits=20, seed=1)
    assert numbers["found"] == 1
    assert numbers["others"] == 0
    assert len(duplicates.format_table(numbers).splitlines()) == 3


def test_every_request_to_the_web_page_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("starlette", reason="the extra `serve` is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(serve, "CLIENTS", (1, 12))
    usage.furnish(tmp_path)
    left, right = (serve.random_jpeg((64, 64), seed) for seed in (1, 2))
    rows = serve.measure({"small": serve.encode_form(left, right)}, seconds=1, slow=0)
    assert [row["clients"] for row in rows] == [1, 12]
    assert all(row["answered"] > 0 and row["failed"] == 0 and row["p99"] >= row["p50"] > 0 for row in rows)
    assert rows[0]["busy"] == 0
    assert len(serve.format_table(rows).splitlines()) == 4


def test_stages_are_measured_on_synthetic_photos_of_which_no_two_are_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "ORIGINAL_STUDENTS", 2)
    monkeypatch.setattr(scale, "DISTINCT", 3)
    rows = scale.measure(4, list(scale.STAGES), None, tmp_path)
    one, other = (tmp_path / f"4/u{number:06}_2_left_m.png" for number in (0, 3))
    assert np.array_equal(
        decoding.decode_photo(one, scale.EDGE).pixels, decoding.decode_photo(other, scale.EDGE).pixels
    )
    assert one.read_bytes() != other.read_bytes()
    assert [row["stage"] for row in rows] == ["photos", *scale.PER_BATCH]
    assert all(row["seconds"] > 0 and row["pss_mb"] > 20 for row in rows[1:])
    assert 0 < rows[3]["bytes_per_student"] - 18 * scale.EDGE**2 < 20_000, "a store holds every pixel, and little else"
    assert len(scale.format_table(rows).splitlines()) == 1 + len(rows)


def test_stages_of_the_whole_class_are_measured_on_made_up_tables() -> None:
    rows = scale.measure(8, ["split", "pairs"], None) + scale.measure(16, ["split", "pairs"], None)
    assert [(row["stage"], row["students"]) for row in rows] == [(s, n) for n in (8, 16) for s in ("split", "pairs")]
    assert len(scale.format_table(rows).splitlines()) == 1 + len(rows) + 2


def test_growth_is_the_slope_of_the_logarithms() -> None:
    assert scale.exponent([10, 100, 1000], [3, 30, 300]) == pytest.approx(1)
    assert scale.exponent([10, 100, 1000], [7, 7, 7]) == pytest.approx(0, abs=1e-9)


def test_start_of_an_engine_and_its_speed_come_from_a_line_through_the_classes() -> None:
    rows = [
        {"stage": "validate", "engine": "local", "students": count, "seconds": 2 + 6 * count / 100}
        for count in (20, 200)
    ]
    assert engine.fit_line(rows) == pytest.approx((2, 1 / 100))
    assert "100" in engine.format_table(rows).splitlines()[1]
