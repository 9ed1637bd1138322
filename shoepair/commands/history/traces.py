"""What a photo or a student has gone into: told from the tables, DVC's records and git, in less than a second.

So it loads neither pandas nor DVC: tables are read with Arrow, needed columns alone, and records line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from shoepair.commands import git_program
from shoepair.commands.history import lock_lines
from shoepair.data import naming
from shoepair.data.arrow_columns import read_matching_rows
from shoepair.data.wording import count_with_noun
from shoepair.reports.text_tables import Block, TextTable
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

SHOWN_SUSPECTS = 10  # on the picture, and on the page
EXPERIMENT_REFS = "refs/exps"
COMMIT_MARK = "\x01"  # before each commit in the output of `git log`
DIGEST_LINE = re.compile(r"^([+-])[- ] md5: ([0-9a-f]{32}\.dir)$")
PAIRS_FILE = "pairs.parquet"  # beside the sheets, see data/contact_sheets.py
USES = {"train": "trained on", "valid": "selected the epoch by"}


class Trace(NamedTuple):
    """One thing that a photo has gone into."""

    kind: str  # such as "store"
    where: str  # a file, a commit or an experiment
    what: str  # what is there of the photo


@dataclass(frozen=True)
class Photo:
    """A student of a batch, and, if one photo is meant, its pair and side."""

    batch: str
    student: str
    pair: int = 0  # 0: all photos of the student
    side: str = ""

    @property
    def row_values(self) -> dict[str, Any]:
        """The values of this photo's rows in the tables of a batch."""
        return {"student": self.student} | ({"pair": self.pair, "side": self.side} if self.pair else {})

    def is_of_pair(self, row: dict[str, Any]) -> bool:
        """Return whether a pair of shoes (`left`, `right`) has this photo, or any of the student's."""
        return not self.pair or row[self.side] == self.pair


def list_traces(query: str, batch: str = "") -> dict[str, Any]:
    """List everything that a photo or a student has gone into.

    Args:
        query: an id like u052, the name of a photo, or its path.
        batch: of the student; by default that of the path, or the one batch that knows the student.

    Returns:
        `batch`, `student`, `pair` and `side` (0 and "" for all photos), and `traces`.

    Raises:
        ShoepairError: nobody knows the photo; or a file cannot be read.
    """
    photo = _find_photo(query, batch)
    traces = [*_iter_data_traces(photo), *_iter_result_traces(photo), *_iter_versions(photo)]
    head = {"batch": photo.batch, "student": photo.student, "pair": photo.pair, "side": photo.side}
    return head | {"traces": [trace._asdict() for trace in traces]}


def _find_photo(query: str, batch: str) -> Photo:
    path = PurePosixPath(query)
    student = naming.extract_student_id(path.name)
    name = naming.PHOTO_NAME_PATTERN.fullmatch(path.name)
    pair, side = (int(name["pair"]), name["side"]) if name else (0, "")
    tables = sorted(paths.accepted_path("x").parent.glob("*.parquet"))
    for table in tables if student else ():
        is_meant = table.stem == batch or (not batch and (len(path.parts) < 2 or table.stem in path.parts))
        photo = Photo(table.stem, student, pair, side)
        if is_meant and read_matching_rows(table, ["path"], photo.row_values):
            return photo
    where = f"batch {batch!r}" if batch else "any batch"
    message = f"{query}: no accepted photo or student in {where}, and no output that dvc.lock records"
    raise ShoepairError(message, fix="expected one like u052, winter/train/u052_3_left_w.png or models/siamese")


def _iter_data_traces(photo: Photo) -> Iterator[Trace]:
    """Yield what the stages before the training made of the photo."""
    batch = photo.batch
    for row in read_matching_rows(paths.accepted_path(batch), ["path", "sha256"], photo.row_values):
        yield Trace("photo", f"{paths.raw_path(batch)}/{row['path']}", f"SHA-256 {row['sha256']}")
    yield Trace("table", str(paths.accepted_path(batch)), "accepted")
    # In the order of the table of accepted photos: large, so not read.
    yield from _if_exists(paths.image_stats_path(batch), "features", "quality measures and perceptual hashes")
    yield from _if_exists(paths.kept_measures_path(batch), "features", "measures of stage `suspects`, kept beside DVC")
    yield from _if_exists(paths.sheets_path(batch) / f"{photo.student}.jpg", "sheet", "the student's six photos")
    yield from _if_exists(paths.sheets_path(batch) / PAIRS_FILE, "sheet", "pairs of photos, for programs")
    values = {"batch": batch, "student": photo.student}
    for row in read_matching_rows(paths.SPLIT, ["row", "split"], values):
        yield from _if_exists(paths.store_path(batch), "store", f"row {row['row']} of /images")
        yield from _if_exists(paths.features_path(batch), "features", f"row {row['row']}: pretrained maps")
        yield Trace("split", str(paths.SPLIT), row["split"])
    rows = read_matching_rows(paths.PAIRS, ["left", "right"], values)
    if count := sum(map(photo.is_of_pair, rows)):
        yield Trace("pairs", str(paths.PAIRS), f"{count_with_noun(count, 'pair')}")
    others = [f"other_{name}" for name in ("batch", "path")]
    for row in read_matching_rows(paths.NEAR_DUPLICATES, ["path", *others, "hash_distance"], values):
        if not photo.pair or f"{photo.student}_{photo.pair}_{photo.side}_" in row["path"]:
            other = f"{row['other_batch']}/{row['other_path']}"
            yield Trace(
                "duplicate", str(paths.NEAR_DUPLICATES), f"{row['path']} like {other}: {row['hash_distance']} bits"
            )


def _if_exists(path: Path, kind: str, what: str) -> Iterator[Trace]:
    if path.is_file():
        yield Trace(kind, str(path), what)


def _iter_result_traces(photo: Photo) -> Iterator[Trace]:
    """Yield the models, scores and figures that the photo has gone into."""
    values = {"batch": photo.batch, "student": photo.student}
    splits = [row["split"] for row in read_matching_rows(paths.SPLIT, ["split"], values)]
    for split in splits:
        for stage, outs in lock_lines.read_outs_by_stage().items():
            if split in USES and stage.partition("@")[0] in paths.TRAINING_STAGES:
                yield from (Trace("model", out, f"{USES[split]} this student") for out in outs if "models/" in out)
    scores = read_matching_rows(paths.SCORES, ["model", "left", "right", "same", "logit"], values)
    for model in dict.fromkeys(row["model"] for row in scores):
        rows = [row for row in scores if row["model"] == model and photo.is_of_pair(row)]
        right = sum((row["logit"] > 0) == bool(row["same"]) for row in rows)
        yield Trace(
            "scores", str(paths.SCORES), f"{model}: {count_with_noun(len(rows), 'pair')}, {right} of them right"
        )
        yield Trace("metrics", str(paths.EVALUATION_METRICS), f"{model}, {splits[0]}")
    for path in sorted(paths.cv_scores_path("x").parent.glob("*.parquet")):
        rows = read_matching_rows(path, ["left", "right", "repeat"], values)
        if count := sum(map(photo.is_of_pair, rows)):
            repeats = count_with_noun(len({row["repeat"] for row in rows}), "repeat")
            yield Trace("scores", str(path), f"cross-validation: {count_with_noun(count, 'score')} in {repeats}")
    for row in read_matching_rows(paths.LABEL_ISSUES, ["rank", "reason"], values):
        yield Trace("suspects", str(paths.LABEL_ISSUES), f"rank {row['rank']}: {row['reason']}")
        if row["rank"] <= SHOWN_SUSPECTS:
            yield Trace("figure", str(paths.LABEL_ISSUES_PICTURE), f"rank {row['rank']}")
    for path in sorted(Path("reports").glob("*.html")):
        word = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(photo.student.encode()) + rb"(?![A-Za-z0-9])")
        if count := len(word.findall(path.read_bytes())):
            yield Trace(
                "figure",
                str(path),
                f"names the student {count_with_noun(count, 'time')}, beside figures of the photos",
            )


def _iter_versions(photo: Photo) -> Iterator[Trace]:
    """Yield the commits that brought or took the photo, and the experiments that have it; none outside of git."""
    record = paths.raw_path(photo.batch).with_name(f"{photo.batch}.dvc").as_posix()
    log_format = f"--format={COMMIT_MARK}%h %cs %s"
    try:
        log = git_program.run_git("log", "--all", "--reverse", "-p", "--unified=0", log_format, "--", record)
        refs = git_program.list_git_lines("for-each-ref", "--format=%(refname)", EXPERIMENT_REFS)
    except git_program.VersionControlError:
        return
    had_it = False
    for commit in log.decode(errors="replace").split(COMMIT_MARK)[1:]:
        title, *lines = commit.splitlines()
        found = [match for match in map(DIGEST_LINE.fullmatch, lines) if match]
        added = [match[2] for match in found if match[1] == "+"]
        has_it = _lists_photo(added[-1], photo) if added else False
        if has_it is None:
            yield Trace("commit", title, f"batch {photo.batch!r} changed; its listing is not in this machine's cache")
        elif has_it != had_it:
            yield Trace("commit", title, "with the photo from here" if has_it else "without it from here")
        had_it = bool(has_it)
    for ref in refs:
        try:
            content = git_program.run_git("show", f"{ref}:./{record}").decode(errors="replace")
        except git_program.VersionControlError:  # the batch is newer than the experiment
            continue
        digest = re.search(r"md5: ([0-9a-f]{32}\.dir)", content)
        if digest and _lists_photo(digest[1], photo):
            yield Trace("experiment", ref, f"batch {photo.batch!r} with the photo")


def _lists_photo(digest: str, photo: Photo) -> bool | None:
    """Return whether a recorded listing names the photo; None if the listing is not in the cache."""
    path = Path(".dvc/cache/files/md5") / digest[:2] / digest[2:]
    if not path.is_file():
        return None
    end = f"{photo.pair}_{photo.side}_" if photo.pair else ""
    return re.search(rf'[/"]{photo.student}_{end}'.encode(), path.read_bytes()) is not None


def list_remote_traces(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the traces in all of DVC's remotes: asks each of them, which takes its time.

    Args:
        found: returned by `list_traces`.

    Raises:
        ShoepairError: a remote cannot be asked.
    """
    from shoepair.commands import dvc_records, version_control  # imported here: they load DVC
    from shoepair.commands.collection.purging import remotes

    names = {trace["where"] for trace in found["traces"] if trace["kind"] == "photo"}
    folder = paths.raw_path(found["batch"])
    listing = dvc_records.read_digest_by_path("outs").get(folder, "")
    cached = Path(".dvc/cache/files/md5") / listing[:2] / listing[2:]
    members = dvc_records.read_cached_folder_digests(cached) if listing and cached.is_file() else {}
    digests = [digest for name, digest in members.items() if f"{folder}/{name}" in names]
    with version_control.open_repo() as repo:
        opened = remotes.open_remotes(repo, sorted(repo.config["remote"]))
        return [
            Trace("remote", f"{remote.name} ({remote.address})", f"{count} of {len(digests)} photos")._asdict()
            for remote in opened
            if (count := len(list(remote.objects.list_oids_exists(digests)) if digests else []))
        ]


def trace_blocks(found: dict[str, Any]) -> list[Block]:
    """Return the traces as a line and a table of three columns for the terminal."""
    photo = f", pair {found['pair']} {found['side']}" if found["pair"] else ""
    rows = [tuple(trace.values()) for trace in found["traces"]]
    title = f"{found['student']} of batch {found['batch']!r}{photo}: {count_with_noun(len(rows), 'trace')}"
    return [title, TextTable([("kind", "where", "what"), *rows], 3, wrapped=2, wrapped_width=20)]
