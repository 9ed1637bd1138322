"""Dataset versions: what changed between two revisions, and whether the accuracies moved beyond noise.

Everything is read through DVC's API from what git and DVC recorded: the list of batches, the tables of accepted
photos, the split, the scores. Nothing is checked out; what is in no cache is said and left out.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from dvc.exceptions import DvcException, FileMissingError
from dvc.repo import Repo
from dvc.scm import RevError
from ruamel.yaml import YAML

from shoepair.commands import dvc_records
from shoepair.evaluation.bootstrap import FEW
from shoepair.evaluation.comparison import difference
from shoepair.evaluation.config import Evaluate
from shoepair.evaluation.metrics import DIGITS, SETS, headline, of_set
from shoepair.runtime import params, paths
from shoepair.runtime.errors import ShoepairError

WORKSPACE = "workspace"
PHOTO = ["batch", "path"]
STUDENT = ["batch", "student"]


@dataclass
class Revision:
    """The dataset and the results of one revision, as far as they are recorded and in reach."""

    name: str  # of the revision, or "workspace"
    batches: list[str]  # in the order of arrival
    salt: str  # of the split
    photos: pd.DataFrame  # one row per accepted photo: `batch`, `path`, `student`, `sha256`
    split: pd.DataFrame | None = None  # `Split` rows, or None
    scores: pd.DataFrame | None = None  # `Scores` rows, or None
    details: dict[str, Any] = field(default_factory=dict)  # of the metrics, by model and set
    missing: list[str] = field(default_factory=list)  # what is recorded but not in reach


def read(name: str) -> Revision:
    """Read what is recorded of one revision: anything that git takes for a commit, or "workspace".

    Raises:
        ShoepairError: there is no such revision, or it is none of this project.
    """
    rev = None if name == WORKSPACE else name
    try:
        with Repo(rev=rev) as repo:
            return _read(name, _Reader(repo))
    except (RevError, DvcException) as error:
        found = f"revision {name!r}: {str(error).splitlines()[0]}"
        raise ShoepairError(found, fix="give a commit, a branch, a tag, or something like HEAD~1") from None


class _Reader:
    """Files of one revision, out of git, the workspace, DVC's cache or a remote."""

    def __init__(self, repo: Repo) -> None:
        self._files = repo.dvcfs
        self.missing: dict[Path, str] = {}

    def bytes(self, path: Path) -> bytes | None:
        """The file, or None: if it is recorded but in no cache, `missing` says so."""
        try:
            return bytes(self._files.cat_file(path.as_posix()))
        except (FileMissingError, FileNotFoundError, IsADirectoryError):
            if self._files.exists(path.as_posix()):
                self.missing[path] = "recorded, but in no cache"
            return None

    def yaml(self, path: Path) -> dict[str, Any]:
        document = YAML(typ="safe").load(self.bytes(path) or b"")
        return document if isinstance(document, dict) else {}

    def table(self, path: Path) -> pd.DataFrame | None:
        content = self.bytes(path)
        try:
            return None if content is None else parquet.read_table(io.BytesIO(content)).to_pandas()
        except arrow.ArrowInvalid:
            self.missing[path] = "damaged"
            return None


def _read(name: str, reader: _Reader) -> Revision:
    batches = [str(batch) for batch in reader.yaml(paths.BATCHES).get("batches") or []]
    if not batches:
        found = f"revision {name!r}: no {paths.BATCHES} with batches in it"
        raise ShoepairError(found, fix="give a revision of this project")
    tables = {batch: reader.table(paths.valid(batch)) for batch in batches}
    for batch, rows in tables.items():
        if rows is None:
            reader.missing.setdefault(paths.valid(batch), "never made")
    columns = [*PHOTO, "student", "sha256"]
    parts = [rows.assign(batch=batch)[columns] for batch, rows in tables.items() if rows is not None]
    photos = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    split, scores = reader.table(paths.SPLIT), reader.table(paths.SCORES)
    recorded = json.loads(reader.bytes(paths.EVALUATION_DETAILS) or b"{}")
    details = recorded.get("models", recorded)  # until differences were written too, the models were the whole file
    salt = str(reader.yaml(paths.PARAMS).get("split", {}).get("salt"))
    missing = [f"{path}: {reason}" for path, reason in reader.missing.items()]
    return Revision(name, batches, salt, photos, split, scores, details, missing)


def compare(first: str, second: str) -> dict[str, Any]:
    """What changed from one revision to the other, both by name; differences with the draws that params.yaml sets.

    Returns:
        `batches`, `students`, `photos`: lists of what was `added`, `removed` and (photos) `changed`; `moved`: students
        in another split than before; `salt`: old and new, if it changed; `metrics`: one entry per model and set;
        `missing`: what could not be read.
    """
    chosen = params.load(Evaluate)
    before, after = read(first), read(second)
    both = before.photos.merge(after.photos, on=PHOTO, suffixes=("", "_after"))
    changed = _keys(both[both["sha256"] != both["sha256_after"]], PHOTO)
    metrics = [
        _metric(before, after, model, name, chosen)
        for model in dict.fromkeys([*before.details, *after.details])
        for name in SETS
    ]
    return {
        "before": before.name,
        "after": after.name,
        "batches": _changes(before.batches, after.batches),
        "students": _changes(_keys(before.photos, STUDENT), _keys(after.photos, STUDENT)),
        "photos": _changes(_keys(before.photos, PHOTO), _keys(after.photos, PHOTO)) | {"changed": changed},
        "moved": _moved(before.split, after.split),
        "salt": [before.salt, after.salt] if before.salt != after.salt else [],
        "metrics": [metric for metric in metrics if metric],
        "missing": [f"{each.name}: {line}" for each in (before, after) for line in each.missing],
    }


def _keys(rows: pd.DataFrame, columns: list[str]) -> list[str]:
    return sorted(set(rows[columns[0]].astype(str) + "/" + rows[columns[1]].astype(str)))


def _changes(before: list[str], after: list[str]) -> dict[str, list[str]]:
    old, new = set(before), set(after)
    return {
        "added": [name for name in after if name not in old],
        "removed": [name for name in before if name not in new],
    }


def _moved(before: pd.DataFrame | None, after: pd.DataFrame | None) -> list[str]:
    if before is None or after is None:
        return []
    both = before.merge(after, on=STUDENT, suffixes=("", "_after"))
    rows = both[both["split"] != both["split_after"]].sort_values(STUDENT)
    return [f"{row.batch}/{row.student}: {row.split} to {row.split_after}" for row in rows.itertuples()]


def _metric(before: Revision, after: Revision, model: str, name: str, chosen: Evaluate) -> dict[str, Any] | None:
    """Balanced accuracy of a model on a set in both revisions, and the paired difference; `test` is both test sets."""
    entry: dict[str, Any] = {"model": model, "set": name}
    for side, revision in (("before", before), ("after", after)):
        got = revision.details.get(model, {}).get(name)
        entry[side] = None if got is None else {key: got[key] for key in ("balanced", "low", "high")}
    paired = None
    if before.scores is not None and after.scores is not None:
        old, new = (of_set(side[side["model"] == model], name) for side in (before.scores, after.scores))
        paired = difference(old, new, chosen.resamples, chosen.seed)
    if paired is None and entry["before"] is None and entry["after"] is None:
        return None
    entry["difference"] = None
    if paired is not None:
        students, gain, low, high = paired
        numbers = {key: round(each, DIGITS) for key, each in (("balanced", gain), ("low", low), ("high", high))}
        few = students < FEW
        entry["difference"] = {"students": students, **numbers, "few": few, "clear": not few and not low <= 0 <= high}
    return entry


def log() -> list[dict[str, Any]]:
    """The dataset versions along the history of HEAD, newest first: every commit that changed the photos.

    Returns:
        One entry each: `commit`, `date`, `subject`; `batches`, and those `added`, `removed` and `changed`; `students`,
        `photos` and `best` (model and accuracies) as last recorded with these photos, None or {} if never.
    """
    entries: list[dict[str, Any]] = []
    older: dict[str, str] = {}
    for version in reversed(list(dvc_records.versions("HEAD"))):
        revision = read(version.commit)
        raw = {batch: version.raw.get(batch, "") for batch in revision.batches}
        if raw != older or not entries:
            names = {"commit": version.commit, "date": version.date, "subject": version.subject}
            changed = [batch for batch in raw if batch in older and raw[batch] != older[batch]]
            batches = {"batches": revision.batches, **_changes(list(older), list(raw)), "changed": changed}
            entries.append({**names, **batches, "students": None, "photos": None, "best": {}})
        if not revision.missing:
            entries[-1] |= {"students": len(_keys(revision.photos, STUDENT)), "photos": len(revision.photos)}
        if revision.details:
            entries[-1]["best"] = dict(headline(revision.details)["best"])
        older = raw
    return entries[::-1]
