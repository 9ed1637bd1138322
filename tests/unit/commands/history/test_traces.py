"""Everything that a photo has gone into is listed; what nobody knows is one line."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from support.classes import photo_rows
from support.settings import write

from shoepair.commands import dvc_records, git_program, version_control
from shoepair.commands.collection.purging import remotes
from shoepair.commands.history import traces
from shoepair.data import pairs, parquet_files, schemas
from shoepair.reports import text_tables
from shoepair.reports.text_tables import TextTable
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

LISTINGS = {"1" * 32 + ".dir": ["train/u1_1_left_m.png"], "2" * 32 + ".dir": ["train/u11_1_left_m.png"]}
LOCK = (
    "schema: '2.0'\nstages:\n  train@cnn:\n    cmd: x\n    outs:\n    - path: models/cnn.safetensors\n      md5: a\n"
    "  train_pretrained@eff:\n    cmd: x\n    outs:\n    - path: models/eff.safetensors\n      md5: a\n"
)


def diff(commit: str, digest: str) -> str:
    return f"{traces.COMMIT_MARK}{commit} 2026-11-24 add\n\ndiff --git\n+- md5: {digest}\n"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Students u1 (train) and u2 (test_m) in batch a, u1 in batch b too, without results for it."""
    monkeypatch.chdir(tmp_path)
    split = pd.DataFrame({"batch": "a", "student": ["u1", "u2"], "row": [0, 1], "split": ["train", "test_m"]})
    for batch in ("a", "b"):
        rows = photo_rows(["u1", "u2"]).assign(
            path=lambda rows: (
                "train/" + rows["student"] + "_" + rows["pair"].astype(str) + "_" + rows["side"] + "_m.png"
            )
        )
        parquet_files.write_table(paths.accepted_path(batch), rows, schemas.AcceptedPhotos)
    parquet_files.write_table(paths.SPLIT, split, schemas.StudentSplits)
    nine = pairs.build_pair_rows(split)
    parquet_files.write_table(paths.PAIRS, nine, schemas.Pairs)
    scores = nine[nine["split"] == "test_m"].assign(model="cnn", logit=1.0)
    parquet_files.write_table(paths.SCORES, scores, schemas.Scores)
    folds = nine[nine["split"] == "train"].assign(model="cnn", logit=1.0)
    folds = pd.concat([folds.assign(repeat=repeat, fold=0) for repeat in (0, 1)])
    parquet_files.write_table(paths.cv_scores_path("cnn"), folds, schemas.FoldScores)
    for path in (paths.store_path("a"), paths.features_path("a"), paths.sheets_path("a") / "u1.jpg"):
        write(path, b"content")
    write(Path("dvc.lock"), LOCK)
    write(Path("reports/index.html"), "<p>u2, and not u21 nor xu2, u2</p>")
    for digest, names in LISTINGS.items():
        content = json.dumps([{"md5": "0" * 32, "relpath": name} for name in names])
        write(Path(".dvc/cache/files/md5") / digest[:2] / digest[2:], content)
    log = "".join(map(diff, ("c1", "c2", "c3"), [*LISTINGS, "3" * 32 + ".dir"]))

    def run_git(command: str, *words: str) -> bytes:
        if command == "log":
            return log.encode()
        return f"- md5: {next(iter(LISTINGS))}".encode() if "exps/1" in words[0] else b"- md5: none"

    monkeypatch.setattr(git_program, "run_git", run_git)
    monkeypatch.setattr(git_program, "list_git_lines", lambda *_: ["refs/exps/1", "refs/exps/2"])


def found(query: str, batch: str = "") -> list[tuple[str, str, str]]:
    return [tuple(trace.values()) for trace in traces.list_traces(query, batch)["traces"]]


def test_student_of_train_is_in_pairs_models_commits_and_experiments_but_in_no_scores() -> None:
    listed = found("u1", "a")
    assert next(where for kind, where, _ in listed if kind == "photo") == "data/raw/a/train/u1_1_left_m.png"
    assert sum(kind == "photo" for kind, *_ in listed) == 6
    assert ("store", "data/store/a.h5", "row 0 of /images") in listed
    assert ("pairs", "data/pairs.parquet", "9 pairs") in listed
    assert ("features", "data/features/a.h5", "row 0: pretrained maps") in listed
    assert ("sheet", "reports/photos/a/u1.jpg", "the student's six photos") in listed
    for model in ("cnn", "eff"):
        assert ("model", f"models/{model}.safetensors", "trained on this student") in listed
    assert ("scores", "data/crossval/cnn.parquet", "cross-validation: 18 scores in 2 repeats") in listed
    versions = [where for kind, where, _ in listed if kind in {"commit", "experiment"}]
    assert versions == ["c1 2026-11-24 add", "c2 2026-11-24 add", "c3 2026-11-24 add", "refs/exps/1"]
    assert "without it from here" in listed[-3][2], "u11 is another student"
    assert "not in this machine's cache" in listed[-2][2]
    assert not [kind for kind, *_ in listed if kind in {"metrics", "figure"}]


def test_photo_of_a_test_student_is_in_its_scores_and_on_the_page() -> None:
    listed = found("a/train/u2_3_right_m.png")
    assert [where for kind, where, _ in listed if kind == "photo"] == ["data/raw/a/train/u2_3_right_m.png"]
    assert ("pairs", "data/pairs.parquet", "3 pairs") in listed
    assert ("scores", "data/scores.parquet", "cnn: 3 pairs, 1 of them right") in listed
    assert ("figure", "reports/index.html", "names the student 2 times, beside figures of the photos") in listed
    assert not [kind for kind, *_ in listed if kind == "model"]
    title, table = traces.trace_blocks(traces.list_traces("a/train/u2_3_right_m.png"))
    assert title == f"u2 of batch 'a', pair 3 right: {len(listed)} traces"
    assert isinstance(table, TextTable)
    assert list(table.rows[1:]) == listed
    assert text_tables.fit_width(table, 80) == (table, []), "what is there is wrapped"


@pytest.mark.parametrize(
    ("query", "batch"),
    [("u3", ""), ("u2", "c"), ("c/train/u2_3_right_m.png", ""), ("nobody", ""), ("u2_4_left_m.png", "")],
)
def test_photo_that_nobody_knows_is_one_line_with_the_fix(query: str, batch: str) -> None:
    with pytest.raises(ShoepairError, match=r"no accepted photo or student in .*\nexpected one like u052") as caught:
        traces.list_traces(query, batch)
    assert caught.value.message.startswith(f"{query}: ")


def test_outside_of_git_the_tables_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> bytes:
        message = "in no git repository"
        raise git_program.NoRepositoryError(message)

    monkeypatch.setattr(git_program, "run_git", refuse)
    assert [kind for kind, *_ in found("u1", "b")] == ["photo"] * 6 + ["table"]


@pytest.mark.parametrize("table", [paths.accepted_path("a"), paths.SPLIT, paths.SCORES, paths.cv_scores_path("cnn")])
def test_torn_table_is_one_line_with_its_name(table: Path) -> None:
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(ShoepairError, match=f"{table}: not a table that can be read") as caught:
        traces.list_traces("u1", "a")
    assert "\n" not in caught.value.message


def test_remotes_are_asked_for_the_photos_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "4" * 32 + ".dir"
    names = ["train/u1_1_left_m.png", "train/u1_1_right_m.png", "train/u11_1_left_m.png"]
    content = json.dumps([{"md5": str(number) * 32, "relpath": name} for number, name in enumerate(names)])
    write(Path(".dvc/cache/files/md5") / listing[:2] / listing[2:], content)
    asked: list[list[str]] = []

    def list_oids_exists(digests: list[str]) -> list[str]:
        asked.append(digests)
        return digests[:1]

    objects = SimpleNamespace(list_oids_exists=list_oids_exists)
    opened = [SimpleNamespace(name="store", address="s3://x", objects=objects)]
    config = SimpleNamespace(config={"remote": {"store": {}}})
    monkeypatch.setattr(version_control, "open_repo", lambda: nullcontext(config))
    monkeypatch.setattr(remotes, "open_remotes", lambda _, names: opened if names == ["store"] else [])
    monkeypatch.setattr(dvc_records, "read_digest_by_path", lambda _: {paths.raw_path("a"): listing})
    listed = traces.list_remote_traces(traces.list_traces("u1", "a"))
    assert asked == [["0" * 32, "1" * 32]], "u11 is another student"
    assert listed == [{"kind": "remote", "where": "store (s3://x)", "what": "1 of 2 photos"}]
