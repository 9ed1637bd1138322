"""Benchmarks of models on pretrained networks, on the tiny class: several networks, and learning from drawn shoes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import towers as tiny_towers

from benchmarks import drawn_to_real, towers
from benchmarks.towers import Member
from shoepair.commands import grid_search
from shoepair.runtime import paths


@pytest.fixture
def tiny(paired: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with pairs, where each network is the tiny one."""
    tiny_towers.use_tiny_network(monkeypatch)
    monkeypatch.setenv("SHOEPAIR_CORES", "1")
    return paired


def test_member_is_a_model_and_a_network_that_exists() -> None:
    member = towers.parse_member("efficientnet_frozen@efficientnet_lite2")
    assert str(member) == "efficientnet_frozen@efficientnet_lite2"
    assert towers.network_of(member).weights == "bundled:efficientnet_lite2"
    with pytest.raises(ValueError, match="resnet"):
        towers.parse_member("efficientnet_frozen@resnet")


def test_mean_of_members_is_judged_on_the_same_folds_and_differs_from_none_where_they_are_one(
    tiny: Path, tmp_path: Path
) -> None:
    members = [Member("efficientnet_frozen", f"efficientnet_lite{number}") for number in (0, 2)]
    scores = towers.cross_validate_members(tmp_path / "copies", members, 3, 1)
    assert Path.cwd() == tiny
    assert not paths.FEATURES_FOLDER.exists(), "the project's own features are left alone"
    first, second, mean = scores.values()
    assert np.array_equal(mean["logit"], (first["logit"] + second["logit"]) / 2)
    results = grid_search.metrics_by_run(scores, 100, 1)
    assert [result["pairs"] for result in results.values()] == [6 * 9] * 3
    assert results["efficientnet_frozen mean=of 2"]["above_first"]["balanced_all"] == 0, "the networks are one"


def test_tries_are_scores_of_every_pair_of_the_class_and_labels_change_none(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny.is_dir()
    monkeypatch.setattr(drawn_to_real, "FOLDS", 3)
    lines: list[str] = []
    scores = drawn_to_real.compare(tmp_path / "copy", "efficientnet_frozen", lines.append)
    assert [str(run).partition("try=")[2] for run in scores] == [line.partition(":")[0] for line in lines]
    assert all(len(rows) == 6 * 9 and rows["logit"].notna().all() for rows in scores.values())
    by_try = {str(run).partition("try=")[2]: rows for run, rows in scores.items()}
    assert (by_try["a third is same"]["logit"] > 0).sum() == 6 * 3
    raw, third = by_try["as learnt"]["logit"], by_try["a third is same"]["logit"]
    assert np.ptp(raw - third) == pytest.approx(0), "one threshold for all"
