"""The benchmarks run and count correctly; no time is asserted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from support import usage
from support.field import ROOT, wait_for, write_photo

from benchmarks import accelerator, duplicates, engine, first_result, growth, pipeline, scale, serve, time_to_accuracy
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
    rows = pipeline.data_stages(folder, 6, times=1) + pipeline.training_stage(pipeline.read_photos(folder), times=1)
    validated = [
        f"validate{size}{measure}" for size in ("", ", 12 megapixels") for measure in ("", ": processor time")
    ]
    names = [*validated[:2], "ingest", "normalize", *validated[2:], "stored"]
    names += ["train cnn", "train cnn_channel", "train siamese"]
    assert [row["what"] for row in rows] == names
    assert all(row["ours"] > 0 and row["reference"] > 0 for row in rows)
    stored = rows[6]
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
    with serve.run_server(tmp_path, serve.COMMAND) as server:
        rows = serve.measure({serve.OURS: server}, {"small": (left, right)}, seconds=1, slow=0)
    assert [(row["clients"], row["way"]) for row in rows] == list(product((1, 12), serve.WAYS))
    assert all(row["answered"] > 0 and row["failed"] == 0 and row["p99"] >= row["p50"] > 0 for row in rows)
    assert all(row["processor_seconds"] > 0 for row in rows)
    assert rows[0]["busy"] == 0
    assert len(serve.format_table(rows).splitlines()) == 6


def test_no_photo_is_sent_twice_and_the_picture_stays_the_same() -> None:
    photo = serve.random_jpeg((64, 64), 1)
    one, other = (serve.number_photo(photo, number) for number in (1, 2))
    assert len({photo, one, other}) == 3
    decoded = [decoding.decode_photo(content, 64).pixels for content in (photo, one, other)]
    assert all(np.array_equal(pixels, decoded[0]) for pixels in decoded)


def test_stages_are_measured_on_synthetic_photos_of_which_no_two_are_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "ORIGINAL_STUDENTS", 2)
    monkeypatch.setattr(scale, "DISTINCT", 3)
    rows = scale.measure(4, scale.DEFAULT_STAGES, None, tmp_path)
    one, other = (tmp_path / f"4/u{number:06}_2_left_m.png" for number in (0, 3))
    assert np.array_equal(
        decoding.decode_photo(one, scale.EDGE).pixels, decoding.decode_photo(other, scale.EDGE).pixels
    )
    assert one.read_bytes() != other.read_bytes()
    assert [row["stage"] for row in rows] == ["photos", "ingest", "validate", "normalize"]
    assert all(row["seconds"] > 0 and row["pss_mb"] > 20 for row in rows[1:])
    assert 0 < rows[3]["bytes_per_student"] - 18 * scale.EDGE**2 < 20_000, "a store holds every pixel, and little else"
    assert len(scale.format_table(rows).splitlines()) == 1 + len(rows)


def test_stages_of_the_whole_class_are_measured_on_made_up_tables() -> None:
    rows = scale.measure(8, ["split", "pairs"], None) + scale.measure(16, ["split", "pairs"], None)
    stages = ("split", "pairs", "split, 100 join", "pairs, 100 join")
    assert sorted((row["stage"], row["students"]) for row in rows) == sorted((s, n) for n in (8, 16) for s in stages)
    assert len(scale.format_table(rows).splitlines()) == 1 + len(rows) + len(stages)


def test_all_that_it_costs_when_students_join_is_compared_between_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ORIGINAL_STUDENTS", 2), ("JOINING", 2), ("PER_BATCH", scale.PER_BATCH[:3])):
        monkeypatch.setattr(scale, name, value)  # without the features of a pretrained network
    rows = scale.measure_joining(8, None) + scale.measure_joining(12, None)
    joining = [row["stage"] for row in rows if row["stage"].endswith(scale.JOIN)]
    assert joining == [f"{stage}{scale.JOIN}" for stage in (*scale.PER_BATCH, *scale.OF_THE_CLASS)] * 2
    last = scale.format_table(rows).splitlines()[-1]
    sums = [sum(row["core_seconds"] for row in rows[n : n + 9] if row["stage"].endswith(scale.JOIN)) for n in (0, 9)]
    assert last == (
        f"2 join, all stages: core s {sums[0]:.1f} at 8 students, {sums[1]:.1f} at 12 students; "
        f"ratio {sums[1] / sums[0]:.2f}"
    )


def test_students_come_in_the_order_of_the_notebook_which_shuffles_their_photos() -> None:
    photos = np.arange(40).reshape(20, 2)
    np.random.RandomState(0).shuffle(photos)
    assert (photos[:, 0] // 2).tolist() == time_to_accuracy.order_as_notebook(20).tolist()


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


# What torch itself may import; everything else that is installed is hidden, as on a machine that has torch alone.
HIDING = """
import runpy, sys
from importlib.machinery import PathFinder
import torch

ALLOWED = {"torch", "torchgen", "numpy", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "setuptools"}

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        spec = super().find_spec(fullname, path, target)
        places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
        is_installed = any(place and "site-packages" in place for place in places)
        return None if is_installed and fullname.partition(".")[0] not in ALLOWED else spec

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
for name in [name for name in sys.modules if name.partition(".")[0] in ("pandas", "pydantic", "filelock")]:
    del sys.modules[name]
"""
RUN_ACCELERATOR = 'runpy.run_module("benchmarks.accelerator", run_name="__main__")'


def test_accelerator_needs_torch_and_numpy_alone_and_gives_the_same_weights_with_all_packages() -> None:
    arguments = ["--device", "cpu", "--quick", "--ways", "float32", "--batch-sizes", "12"]
    results = []
    for program in ("import runpy\n", HIDING):
        words = [sys.executable, "-c", program + RUN_ACCELERATOR, *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    assert [row["model"] for row in results[0]["rows"]] == list(accelerator.NETWORKS)
    assert all(row["same_bits"] and row["pairs_per_s"] > 0 and row["loss"] > 0 for row in results[1]["rows"])
    one, other = ([row["weights"] for row in result["rows"]] for result in results)
    assert one == other, "a stand-in has changed what is computed"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has an accelerator")
def test_accelerator_without_a_device_is_one_line() -> None:
    words = [sys.executable, "-m", "benchmarks.accelerator"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: no CUDA device that this torch can use; `--device cpu --quick` tries the program without one"
    ]


MAKEFILE = """
setup: .venv/.ready
.venv/.ready:
\tmkdir .venv && head -c 1000000 /dev/zero > .venv/.ready
repro: setup
\tmkdir -p reports && python3 -m stages.train cnn && touch reports/index.html
"""
BUSY = """
import time
while time.process_time() < SECONDS:
    pass
"""


def commit_project(folder: Path, seconds: float, makefile: str = MAKEFILE) -> str:
    """Commit a project whose only stage takes some processor seconds; return the commit."""
    (folder / "stages").mkdir(parents=True, exist_ok=True)
    (folder / "stages/train.py").write_text(BUSY.replace("SECONDS", str(seconds)))
    (folder / "Makefile").write_text(makefile)
    (folder / "params.yaml").write_text("epochs: 80  # passes\n")
    (folder / "pyproject.toml").write_text('[project.scripts]\nshoepair = "shoepair:main"\n')
    (folder / "shoepair.py").write_text("def main(): pass\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["rev-parse", "HEAD"]):
        done = subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def two_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[first_result.Side]:
    """Two commits of a tiny project, of which the first takes half the processor seconds of the other."""
    monkeypatch.setattr(first_result, "ROOT", tmp_path / "project")
    commits = [commit_project(tmp_path / "project", seconds) for seconds in (0.8, 0.4)]
    return [
        first_result.Side(name, commit, tmp_path / name)
        for name, commit in zip(("ours", "other"), reversed(commits), strict=True)
    ]


def test_both_commits_take_turns_from_the_clone_to_the_page(two_sides: list[first_result.Side]) -> None:
    result = first_result.measure(first_result.STEPS, two_sides, slice_seconds=0.2, epochs=3)
    cpu = {(row["step"], row["side"]): row["cpu"] for row in result["rows"]}
    assert list(cpu) == [
        *(("clone", "ours"), ("clone", "other"), ("install", "ours"), ("install", "other")),
        *(("repro", "ours"), ("train cnn", "ours"), ("repro", "other"), ("train cnn", "other")),
    ]
    assert 0 < cpu["train cnn", "ours"] <= cpu["repro", "ours"]
    assert cpu["train cnn", "ours"] < cpu["train cnn", "other"] <= cpu["repro", "other"], "it works twice as long"
    for side in two_sides:
        assert len(side.spans) > 1, "it never waited for the other"
        assert (side.clone / "params.yaml").read_text() == "epochs: 3  # passes\n"
    spans = sorted(span for side in two_sides for span in side.spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "both ran at a time"
    assert all(row["seconds"] > 0 for row in result["rows"])
    assert [row["environment"] for row in result["disk"]] == [0, 0] + [1_000_000] * 4
    lines = first_result.format_table(result).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["clone", "install", "repro", "train"]


def test_packages_of_a_given_environment_are_borrowed_and_nothing_is_installed(
    two_sides: list[first_result.Side],
) -> None:
    for side in two_sides:
        side.environment = Path(sys.prefix)
    result = first_result.measure(("clone", "repro"), two_sides, slice_seconds=5, epochs=None)
    assert {row["step"] for row in result["rows"]} == {"clone", "repro", "train cnn"}
    for side in two_sides:
        assert (side.clone / ".venv/.ready").stat().st_size == 0
        words = [str(side.clone / ".venv/bin/python"), "-c", "import numpy, shoepair; print(shoepair.__file__)"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=side.folder)
        assert Path(done.stdout.strip()) == side.clone / "shoepair.py", "not the code of this commit"
        done = subprocess.run([side.clone / ".venv/bin/shoepair"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_step_that_fails_ends_the_comparison_with_the_words_of_its_command(
    two_sides: list[first_result.Side], tmp_path: Path
) -> None:
    makefile = "setup:\n\t@echo no disk space; false\n"
    two_sides[1].commit = commit_project(tmp_path / "project", 0, makefile)
    with pytest.raises(first_result.StepError, match=r"^other \(\w+\): install failed\nno disk space\n"):
        first_result.measure(("clone", "install"), two_sides, slice_seconds=5, epochs=None)


def test_comparison_that_is_ended_leaves_no_stopped_process_behind(
    two_sides: list[first_result.Side], tmp_path: Path
) -> None:
    code = "import sys, pathlib; from benchmarks import first_result as f; f.ROOT = pathlib.Path(sys.argv.pop())"
    words = ["--other", two_sides[1].commit, "--folder", str(tmp_path), "--slice", "0.2", str(tmp_path / "project")]
    commit_project(tmp_path / "project", 600)
    process = subprocess.Popen([sys.executable, "-c", f"{code}; f.main()", *words], cwd=ROOT)
    wait_for(lambda: len(busy(tmp_path)) == 2)
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert busy(tmp_path) == []


def busy(folder: Path) -> list[int]:
    """Return the processes of stages that run in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if "stages.train" in (process.info["cmdline"] or []) and (process.info["cwd"] or "").startswith(str(folder)):
            found.append(process.pid)
    return found
