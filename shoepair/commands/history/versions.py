"""Dataset versions: changes between two revisions, and whether the accuracies changed beyond noise.

All data is read through DVC's API from what git and DVC recorded: the list of batches, the tables of accepted photos,
the split, the scores. Nothing is checked out; what is in no cache is reported and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.exceptions import FileMissingError
from dvc.repo import Repo

from shoepair.commands import dvc_records, git_program, version_control
from shoepair.commands.history import freshness
from shoepair.data import parquet_files
from shoepair.evaluation.comparison import shared_count_and_accuracy_interval
from shoepair.evaluation.config import EvaluateConfig
from shoepair.evaluation.metrics import DIGITS, REPORTED_SPLITS, headline_metrics, select_split_rows
from shoepair.runtime import json_files, params, paths, progress, yaml_files
from shoepair.runtime.errors import ShoepairError

WORKSPACE = "workspace"
PHOTO_COLUMNS = ["batch", "path"]
STUDENT_COLUMNS = ["batch", "student"]
REVISION_HINT = "give a revision of this project"


@dataclass
class Revision:
    """The dataset and the metrics of one revision, as far as git and DVC can read them."""

    name: str  # of the revision, or "workspace"
    batches: list[str]  # in the order of data/batches.yaml
    split_salt: str  # of the split
    photos: pd.DataFrame  # one row per accepted photo: `batch`, `path`, `student`, `sha256`
    split: pd.DataFrame | None = None  # `Split` rows, or None
    scores: pd.DataFrame | None = None  # `Scores` rows, or None
    metrics: dict[str, Any] = field(default_factory=dict)  # by model and split
    unavailable: list[str] = field(default_factory=list)  # what could not be read, and why
    outdated: list[str] = field(default_factory=list)  # what changed since the metrics were computed


def read_dataset_and_metrics(revision: str) -> Revision:
    """Read the batches, accepted photos, split, scores and metrics of one git revision or the workspace.

    Args:
        revision: a commit, branch or tag, or "workspace".

    Raises:
        ShoepairError: there is no such revision, or it is not of this project.
    """
    is_workspace = revision == WORKSPACE
    with version_control.open_repo() if is_workspace else version_control.open_revision(revision) as repo:
        return _build_revision(revision, _Reader(repo))


class _Reader:
    """Reads files of one revision from git, the workspace, DVC's cache or a remote."""

    def __init__(self, repo: Repo) -> None:
        self._files = repo.dvcfs
        self.unavailable: dict[Path, str] = {}

    def read_bytes(self, path: Path) -> bytes | None:
        """Read a file; return None if it is missing, and note in `unavailable` if it is recorded but in no cache."""
        try:
            return bytes(self._files.cat_file(path.as_posix()))
        except (FileMissingError, FileNotFoundError, IsADirectoryError):
            if self._files.exists(path.as_posix()):
                self.unavailable[path] = "recorded, but in no cache"
            return None

    def read_yaml(self, path: Path) -> dict[str, Any]:
        content = self.read_bytes(path)
        return yaml_files.parse_mapping(content, str(path), REVISION_HINT) if content else {}

    def read_json(self, path: Path) -> dict[str, Any]:
        content = self.read_bytes(path)
        return json_files.parse_json(content, str(path), REVISION_HINT) if content else {}

    def read_table(self, path: Path, columns: Sequence[str]) -> pd.DataFrame | None:
        """Read a table; return None if it is missing, or damaged (see `unavailable`), or lacks one of the columns."""
        content = self.read_bytes(path)
        if content is None:
            return None
        try:
            rows: pd.DataFrame = parquet_files.decode_any_table(content, str(path)).to_pandas(ignore_metadata=True)
        except ShoepairError:
            rows = pd.DataFrame()
        if not set(columns) <= set(rows.columns):
            self.unavailable[path] = "damaged"
            return None
        return rows


def _read_accepted(reader: _Reader, batch: str) -> pd.DataFrame | None:
    """Read the accepted photos of a batch; None, with a note in `unavailable`, if there are none."""
    path = paths.accepted_path(batch)
    rows = reader.read_table(path, ["path", "student", "sha256"])
    if rows is None:
        reader.unavailable.setdefault(path, "never made")
    return rows


def _build_revision(revision: str, reader: _Reader) -> Revision:
    batches = [str(batch) for batch in reader.read_yaml(paths.BATCH_LIST).get("batches") or []]
    if not batches:
        message = f"revision {revision!r}: no {paths.BATCH_LIST} with batches in it"
        raise ShoepairError(message, fix="give a revision of this project")
    tables = {batch: _read_accepted(reader, batch) for batch in batches}
    columns = [*PHOTO_COLUMNS, "student", "sha256"]
    parts = [rows.assign(batch=batch)[columns] for batch, rows in tables.items() if rows is not None]
    photos = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    split = reader.read_table(paths.SPLIT, [*STUDENT_COLUMNS, "split"])
    scores = reader.read_table(paths.SCORES, [*STUDENT_COLUMNS, "split", "model", "same", "standard", "logit"])
    recorded = reader.read_json(paths.EVALUATION_DETAILS)
    details = recorded.get("models", recorded)  # older files hold the models only
    salt = str(reader.read_yaml(paths.PARAMS).get("split", {}).get("salt"))
    missing = [f"{path}: {reason}" for path, reason in reader.unavailable.items()]
    outdated = freshness.find_outdated_reasons(reader.read_bytes)
    return Revision(revision, batches, salt, photos, split, scores, details, missing, outdated)


def compare_revisions(first: str, second: str) -> dict[str, Any]:
    """Read two revisions by name and compare them, with resamples and seed from params.yaml.

    Returns:
        `batches`, `students`, `photos`: lists of what was `added`, `removed` and (photos) `changed`; `moved`: students
        in another split than before; `salt`: old and new, if it changed; `metrics`: one entry per model and split;
        `out_of_date`: by revision, what changed since its metrics were computed; `missing`: what could not be read.
    """
    config = params.load(EvaluateConfig)
    before, after = read_dataset_and_metrics(first), read_dataset_and_metrics(second)
    both = before.photos.merge(after.photos, on=PHOTO_COLUMNS, suffixes=("", "_after"))
    changed = _row_keys(both[both["sha256"] != both["sha256_after"]], PHOTO_COLUMNS)
    metrics = [
        _compare_metric(before, after, model, split, config)
        for model in dict.fromkeys([*before.metrics, *after.metrics])
        for split in REPORTED_SPLITS
    ]
    return {
        "before": before.name,
        "after": after.name,
        "batches": _added_and_removed(before.batches, after.batches),
        "students": _added_and_removed(*(_row_keys(side.photos, STUDENT_COLUMNS) for side in (before, after))),
        "photos": _added_and_removed(*(_row_keys(side.photos, PHOTO_COLUMNS) for side in (before, after)))
        | {"changed": changed},
        "moved": _moved_students(before.split, after.split),
        "salt": [before.split_salt, after.split_salt] if before.split_salt != after.split_salt else [],
        "metrics": [metric for metric in metrics if metric],
        "out_of_date": {side.name: side.outdated for side in (before, after) if side.outdated},
        "missing": [f"{side.name}: {line}" for side in (before, after) for line in side.unavailable],
    }


def _row_keys(rows: pd.DataFrame, columns: list[str]) -> list[str]:
    return sorted(set(rows[columns[0]].astype(str) + "/" + rows[columns[1]].astype(str)))


def _added_and_removed(before: list[str], after: list[str]) -> dict[str, list[str]]:
    old, new = set(before), set(after)
    return {
        "added": [name for name in after if name not in old],
        "removed": [name for name in before if name not in new],
    }


def _moved_students(before: pd.DataFrame | None, after: pd.DataFrame | None) -> list[str]:
    if before is None or after is None:
        return []
    both = before.merge(after, on=STUDENT_COLUMNS, suffixes=("", "_after"))
    rows = both[both["split"] != both["split_after"]].sort_values(STUDENT_COLUMNS)
    return [f"{row.batch}/{row.student}: {row.split} to {row.split_after}" for row in rows.itertuples()]


def _compare_metric(
    before: Revision, after: Revision, model: str, split: str, config: EvaluateConfig
) -> dict[str, Any] | None:
    """Compare the balanced accuracy of a model on a split, with the paired difference; `test` is both test splits."""
    entry: dict[str, Any] = {"model": model, "split": split}
    for side, revision in (("before", before), ("after", after)):
        metrics = revision.metrics.get(model, {}).get(split)
        entry[side] = None if metrics is None else {key: metrics[key] for key in ("balanced", "low", "high")}
    paired = None
    if before.scores is not None and after.scores is not None:
        old, new = (select_split_rows(side[side["model"] == model], split) for side in (before.scores, after.scores))
        paired = shared_count_and_accuracy_interval(old, new, config.resamples, config.seed)
    if paired is None and entry["before"] is None and entry["after"] is None:
        return None
    entry["difference"] = None
    entry["lacks_scores"] = before.scores is None or after.scores is None
    if paired is not None:
        students, gain, low, high = paired
        numbers = {key: round(value, DIGITS) for key, value in (("balanced", gain), ("low", low), ("high", high))}
        entry["difference"] = {"students": students, **numbers, "clear": not low <= 0 <= high}
    return entry


def list_version_records() -> list[dict[str, Any]]:
    """List the dataset versions along the history of HEAD, newest first: every commit that changed the photos.

    Returns:
        One entry each: `commit`, `date`, `subject`; `batches`, and those `added`, `removed` and `changed`; `students`,
        `photos` and `best` (model and accuracies) as last recorded with these photos, None or {} if never.
    """
    runs: list[
        tuple[dict[str, str], list[dvc_records.DatasetVersion]]
    ] = []  # photos by batch, and the commits with them
    for version in list(dvc_records.iter_versions("HEAD"))[::-1]:
        raw = {batch: version.batch_digests.get(batch, "") for batch in _read_batches(version.commit)}
        if not runs or raw != runs[-1][0]:
            runs.append((raw, []))
        runs[-1][1].append(version)
    entries: list[dict[str, Any]] = []
    previous: dict[str, str] = {}
    for raw, versions in progress.track(runs, "log", "version"):
        first = versions[0]
        names = {"commit": first.commit, "date": first.date, "subject": first.subject, "batches": list(raw)}
        changed = [batch for batch in raw if batch in previous and raw[batch] != previous[batch]]
        changes = {**_added_and_removed(list(previous), list(raw)), "changed": changed}
        entries.append({**names, **changes, **_read_last_figures(versions)})
        previous = raw
    return entries[::-1]


def _read_batches(commit: str) -> list[str]:
    """Read the names of the batches of a commit from git alone: opening a commit with DVC takes a second."""
    content = git_program.run_git("show", f"{commit}:./{paths.BATCH_LIST.as_posix()}")
    return [str(batch) for batch in yaml_files.parse_mapping(content, commit, REVISION_HINT).get("batches") or []]


def _read_last_figures(versions: Sequence[dvc_records.DatasetVersion]) -> dict[str, Any]:
    """Return `students`, `photos` and `best` of commits with the same photos, as last recorded; None or {} if never.

    Commits are read from the last one back, until one has figures.
    """
    figures: dict[str, Any] = {"students": None, "photos": None, "best": {}}
    for version in reversed(versions):
        revision = read_dataset_and_metrics(version.commit)
        if figures["students"] is None and not revision.unavailable:
            figures |= {
                "students": len(_row_keys(revision.photos, STUDENT_COLUMNS)),
                "photos": len(revision.photos),
            }
        if revision.metrics and not revision.outdated:
            return figures | {"best": dict(headline_metrics(revision.metrics)["best"])}
    return figures
