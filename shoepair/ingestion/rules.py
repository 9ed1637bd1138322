"""The rules over the files of a batch: every breach is told at once; the batch is refused, or the students set aside.

A student is whole or set aside whole: six photos are what a student hands in, and a pair with one shoe is no pair. Of
two students with the same photo both are set aside, since nobody can tell whose it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from shoepair.data import naming
from shoepair.data.schemas import Photos
from shoepair.ingestion import decode, decode_all, quality
from shoepair.ingestion.config import Validate
from shoepair.runtime import progress, storage
from shoepair.runtime.errors import ShoepairError

COUNTS = ("files", "accepted", "quarantined", "ignored", "students", "quarantined_students")
KIND_OF_SET = {"test_m": "m", "test_w": "w"}  # a test set holds one kind; train holds both


@dataclass(frozen=True)
class Fault:
    """One breach.

    Args:
        place: the file, as its path within the batch, or the student.
        text: what was found, and what was expected.
        owners: the students who are set aside for it; none where a file tells nobody's name.
    """

    place: str
    text: str
    owners: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Verdict:
    """What `validate` makes of a batch. Files in = accepted + quarantined + ignored.

    Args:
        rows: `Files` rows, all that were found.
        accepted: `Photos` rows.
        faults: every breach.
        remarks: what had to be changed in accepted photos, and in how many.
        measured: `Signs` rows of the accepted photos.
        flags: sign -> accepted photos that show it.
    """

    rows: pd.DataFrame
    accepted: pd.DataFrame
    faults: list[Fault]
    remarks: dict[str, int]
    measured: pd.DataFrame
    flags: dict[str, list[str]]

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Student, or file that tells nobody's name -> why it is set aside."""
        found: dict[str, list[str]] = {}
        for fault in self.faults:
            for name in fault.owners or (fault.place,):
                found.setdefault(name, []).append(str(fault))
        return dict(sorted(found.items()))

    def counts(self) -> dict[str, int]:
        """The numbers of the validation report."""
        ignored = int(self.rows["ignored"].sum())
        return {
            "files": len(self.rows),
            "accepted": len(self.accepted),
            "quarantined": len(self.rows) - len(self.accepted) - ignored,
            "ignored": ignored,
            "students": self.accepted["student"].nunique(),
            "quarantined_students": len({name for fault in self.faults for name in fault.owners}),
        }

    def __str__(self) -> str:
        got = self.counts()
        changed = "".join(f"; {count} {remark}" for remark, count in self.remarks.items())
        changed += "".join(f"; {len(paths)} {sign}" for sign, paths in self.flags.items())
        sums = f"{got['accepted']} accepted + {got['quarantined']} quarantined + {got['ignored']} ignored"
        return f"{got['files']} files = {sums}{changed}"

    def report(self, batch: str) -> dict[str, Any]:
        """The validation report."""
        counts = self.counts()
        return {"batch": batch, **counts, "changed": self.remarks, "flags": self.flags, "reasons": self.reasons}


def totals(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The counts of all batches, `total` first, from batch -> its validation report."""
    total = {name: sum(report[name] for report in reports.values()) for name in COUNTS}
    return {"total": total} | {batch: {name: report[name] for name in COUNTS} for batch, report in reports.items()}


def judge(folder: Path, rows: pd.DataFrame, edge: int, policy: Validate | None = None) -> Verdict:
    """Hold a batch against all rules; whoever has no part in a breach is accepted.

    Args:
        folder: its photos.
        rows: `Files` rows.
        edge: of a photo as it will be stored, in pixels.
        policy: from which values on a photo is flagged; without one, none is.
    """
    whole = rows[~rows["ignored"] & rows["fault"].isna()]
    undecodable: dict[str, str] = {}
    remarks: dict[str, tuple[str, ...]] = {}
    seen: dict[str, dict[str, Any]] = {}
    looks = decode_all.look_at_all(storage.listed(folder, whole), edge, _look)
    shown = progress.track(looks, f"check {folder.name}", "photo", len(whole))
    with threadpool_limits(1):  # of the matrices; the photos are on all threads already
        for path, got in zip(whole["path"], shown, strict=True):
            if isinstance(got, naming.PhotoError):
                undecodable[path] = str(got)
            else:
                remarks[path], seen[path] = got
    found = faults(rows, undecodable)
    guilty = {name for fault in found for name in fault.owners}
    broken = {fault.place for fault in found}
    sound = rows[~rows["ignored"] & ~rows["student"].isin(guilty) & ~rows["path"].isin(broken)]
    accepted = accept(sound)
    counted = Counter(remark for path in accepted["path"] for remark in remarks[path])
    measured = quality.of(accepted, seen)
    flags = quality.flags(measured, policy, edge) if policy else {}
    return Verdict(rows, accepted, found, dict(sorted(counted.items())), measured, flags)


def _look(photo: decode.Photo) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What is kept of a photo while the rules are held against it."""
    _one_thread()
    return photo.remarks, quality.measure(photo)


@cache
def _one_thread() -> None:
    """As in `judge`, once in each process that photos are given to."""
    threadpool_limits(1)


def check(batch: str, folder: Path, rows: pd.DataFrame, edge: int, policy: Validate | None = None) -> Verdict:
    """Hold a batch against all rules, as `judge` does, and refuse it unless its faults can be set aside.

    The policy also tells whether students with faults are set aside; without one, any fault refuses the batch.

    Raises:
        ShoepairError: names every fault of the batch.
    """
    verdict = judge(folder, rows, edge, policy)
    if not verdict.faults:
        return verdict
    problems = [str(fault) for fault in verdict.faults]
    counts = verdict.counts()
    aside, kept = counts["quarantined_students"], counts["students"]
    if policy is None or policy.on_invalid == "fail":
        refused = f"nothing of batch {batch!r} was accepted"
        fix = "correct the files, then run `dvc repro`; or set `validate.on_invalid: quarantine` to go on without them"
    elif not kept or aside > policy.max_quarantined * (aside + kept):
        refused = f"{aside} of {aside + kept} students of batch {batch!r} would be set aside"
        fix = f"correct the files; `validate.max_quarantined` allows a share of {policy.max_quarantined}"
    else:
        return verdict
    found = f"{folder}: {len(problems)} problem{'s' if len(problems) > 1 else ''}, {refused}"
    raise ShoepairError(found, problems=problems, fix=fix)


def accept(rows: pd.DataFrame) -> pd.DataFrame:
    """The photos among the files (`Files` rows without faults), as `Photos` rows in store order."""
    named = rows[~rows["ignored"]]
    return named.sort_values(["student", "pair", "side"])[list(Photos.to_schema().columns)]


def faults(rows: pd.DataFrame, undecodable: Mapping[str, str]) -> list[Fault]:
    """Every breach of the rules in one batch, in the order of the names; none if the batch is sound.

    Args:
        rows: `Files` rows.
        undecodable: path -> reason, for the files that do not decode.
    """
    kept = rows[~rows["ignored"]]
    named = kept[kept["fault"].isna()]
    reasons = dict(zip(kept["path"], kept["fault"], strict=True)) | dict(undecodable)
    found = [Fault(path, reason, _owners([path])) for path, reason in reasons.items() if isinstance(reason, str)]
    found += _repeated(kept)
    for student, group in named.groupby("student", sort=True):
        found += [Fault(str(student), text, (str(student),)) for text in _student_faults(group)]
    return sorted(found, key=str)


def _owners(files: Iterable[str]) -> tuple[str, ...]:
    """The students that these files tell of, also by a name that breaks the grammar."""
    names = {naming.owner(path.rpartition("/")[2]) for path in files}
    return tuple(sorted(names - {""}))


def _repeated(kept: pd.DataFrame) -> Iterator[Fault]:
    """Files of the same content: one of them is surely not what its name says."""
    for _, group in kept[kept["sha256"].notna()].groupby("sha256", sort=False):
        if len(group) > 1:
            first, *others = sorted(group["path"])
            yield Fault(first, f"same content as {', '.join(others)}", _owners(group["path"]))


def _student_faults(group: pd.DataFrame) -> Iterator[str]:
    """The rules over one student's photos."""
    sets = sorted(group["set"].unique())
    if len(sets) > 1:
        yield f"in the sets {' and '.join(sets)}, expected one"
        return  # what follows would only repeat it
    found = [(int(pair), str(side)) for pair, side in zip(group["pair"], group["side"], strict=True)]
    if len(found) != len(naming.SHOES) or set(found) != set(naming.SHOES):
        yield f"{len(found)} photo{'s' if len(found) > 1 else ''}, expected 6 ({_difference(found)})"
    for pair, kinds in group.groupby("pair")["kind"]:
        if kinds.nunique() > 1:
            yield f"pair {pair} is both m and w, expected one kind"
    wanted = KIND_OF_SET.get(sets[0])
    for row in group.itertuples():
        if wanted and row.kind != wanted:
            yield f"{row.path} is of kind {row.kind}, expected only {wanted} in {sets[0]}"


def _difference(found: list[tuple[int, str]]) -> str:
    """What of the six photos is missing and what is there twice."""
    missing = [f"pair {pair} {side}" for pair, side in naming.SHOES if (pair, side) not in found]
    twice = [f"pair {pair} {side}" for pair, side in naming.SHOES if found.count((pair, side)) > 1]
    parts = [("missing", missing), ("more than once", twice)]
    return "; ".join(f"{word}: {', '.join(shoes)}" for word, shoes in parts if shoes)
