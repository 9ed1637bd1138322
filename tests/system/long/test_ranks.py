"""Several ranks train what one process trains: the same batches, the same sums, one file, one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from support import ranked
from support.field import ROOT, edit
from support.ranked import written
from torch import Tensor

from shoepair.runtime import parallel

RANKED = str(ROOT / "tests/support/ranked.py")
NETWORKS = [name for name in ranked.NAMES if name != "histogram"]


def started(folder: Path, count: int, *words: str, logs: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program by so many ranks of `torchrun`, or alone; their own output goes to `logs`."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={count}"]
    if logs:
        torchrun += ["--redirects=3", f"--log-dir={logs}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *(torchrun if count > 1 else []), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def told(logs: Path) -> list[str]:
    """What the ranks themselves have printed to stderr."""
    return "".join(path.read_text() for path in logs.rglob("stderr.log")).splitlines()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of 1, 2 and 3 ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    ranked.write_class(folder)
    done = started(folder, 1, RANKED, "compare_all")
    assert done.returncode == 0, done.stderr
    return folder


def weights(folder: Path, run: str) -> dict[str, Tensor]:
    return load_file(folder / f"{run}.safetensors")


def course(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{run}.json").read_text())
    return found


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of any weight."""
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [2, 3])
def test_ranks_calculate_what_one_process_calculates(trained: Path, name: str, count: int) -> None:
    # In double precision rounding hides nothing: a wrong mask, mean or weight would be seen.
    one, several = (weights(trained, f"{name}-double-{number}") for number in (1, count))
    assert apart(one, several) < 1e-10
    first, other = (course(trained, f"{name}-double-{number}") for number in (1, count))
    losses = zip(first["losses"], other["losses"], strict=True)
    assert max(abs(a - b) for a, b in losses) < 1e-6, "the loss is of single precision"
    for label in ("train_positive", "train_negative"):
        assert [epoch[label] for epoch in first["epochs"]] == [epoch[label] for epoch in other["epochs"]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [2, 3])
def test_ranks_differ_from_one_process_by_rounding(trained: Path, name: str, count: int) -> None:
    one, again, several = (f"{name}-single-{run}" for run in ("1", "reordered", str(count)))
    rounding = apart(weights(trained, one), weights(trained, again))
    assert apart(weights(trained, one), weights(trained, several)) < 10 * rounding
    first, other = course(trained, one), course(trained, several)
    assert max(abs(a - b) for a, b in zip(first["losses"], other["losses"], strict=True)) < 1e-4
    assert other["epochs"][0].keys() == first["epochs"][0].keys()


@pytest.mark.parametrize("count", [2, 3])
def test_what_takes_no_gradients_has_the_same_bits(trained: Path, count: int) -> None:
    one, several = (f"histogram-single-{number}" for number in (1, count))
    assert apart(weights(trained, one), weights(trained, several)) == 0
    assert course(trained, one) == course(trained, several)


def test_streamed_photos_give_the_same_bits(trained: Path) -> None:
    assert apart(weights(trained, "cnn-single-2"), weights(trained, "cnn-streamed-2")) == 0
    assert course(trained, "cnn-single-2")["losses"] == course(trained, "cnn-streamed-2")["losses"]


def test_error_of_one_rank_ends_all_with_one_message(tmp_path: Path) -> None:
    ranked.write_class(tmp_path)
    done = started(tmp_path, 2, RANKED, "fail", logs=tmp_path / "logs")
    assert done.returncode == 1
    assert told(tmp_path / "logs") == ["error: a.h5: torn", "mend it"]
    assert not (tmp_path / "cnn.safetensors").exists()


def test_mistake_that_all_ranks_see_is_told_once(stage: Path) -> None:
    edit(stage / "params.yaml", "batch_size: 32 ", "batch_size: 2 ")
    done = started(stage, 2, "-m", "stages.train", "cnn_channel", logs=stage / "logs")
    assert done.returncode == 1
    message, fix = told(stage / "logs")
    assert message == "error: training: 2 ranks, expected at most 1, the rows of each label in a mini-batch"
    assert fix == "start fewer ranks, or set a larger `batch_size`"
    assert not (stage / "models").exists()


def test_killed_rank_changes_nothing(stage: Path) -> None:
    done = started(stage, 2, "-m", "stages.train", "cnn_channel")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["train cnn_channel: weights of epoch 3 of 3"], "the first rank alone speaks"
    undisturbed = written(stage)
    assert len(undisturbed) == 4
    for name in ("models", "plots"):
        (stage / name).rename(stage / f"undisturbed-{name}")
    done = started(stage, 2, "--max-restarts=1", RANKED, "killed")
    assert done.returncode == 0, done.stderr
    assert "resumes after epoch 1, where an earlier run was stopped" in done.stdout
    assert written(stage) == undisturbed
    assert not list((stage / "checkpoints").glob("*.safetensors")), "the checkpoint has done its work"


def test_switch_starts_ranks_that_do_what_those_of_torchrun_do(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = started(stage, 2, "-m", "stages.train", "siamese")
    assert done.returncode == 0, done.stderr
    expected = written(stage)
    (stage / "models/siamese.safetensors").unlink()
    monkeypatch.setenv("SHOEPAIR_RANKS", "2")
    done = started(stage, 1, "-m", "stages.train", "siamese")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "train siamese: weights of epoch 3 of 3\n"
    assert written(stage) == expected
    edit(stage / "params.yaml", "batch_size: 32 ", "batch_size: 4 ")
    done = started(stage, 1, "-m", "stages.train", "siamese")
    assert done.returncode == 1
    message = "training: 2 ranks, expected at most 1, the rows of each label in a mini-batch"
    assert done.stderr.startswith(f"error: {message}\n")
    assert len(done.stderr.splitlines()) == 2, "told once"


def wrong() -> str:
    raise ZeroDivisionError("by a rank")  # noqa: EM101


def test_any_error_of_a_rank_comes_out_where_the_work_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOEPAIR_RANKS", "2")
    monkeypatch.setattr("shoepair.runtime.parallel.launch.count_cores", lambda: 2)
    with pytest.raises(ZeroDivisionError, match="by a rank"):
        parallel.run_ranks(wrong, "wrong", cores_per_rank=1, use_gpu=False)
