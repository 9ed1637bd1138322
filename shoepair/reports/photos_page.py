"""The page to look at the photos: every student with sheet, split, flags, suspicion and scores, to sort and filter.

The page is one file without photos: it shows the contact sheets of stage `sheets` beside it, `photos/<batch>/`, and a
browser loads only those that are in view. A script makes the entries from the data in the page, a part at a time, so
that thousands of students are no burden.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jinja2 import Environment
from markupsafe import Markup

from shoepair.data import naming
from shoepair.data.naming import SPLITS
from shoepair.evaluation import calibration
from shoepair.reports.formatting import SPLIT_TITLES, read_template
from shoepair.reports.results import Results


def render_photos_page(environment: Environment, results: Results) -> str:
    """Render the page as text."""
    students = list_students(results)
    script = read_template("enlarge.js") + read_template("photos.js")
    return environment.from_string(read_template("photos.html.j2")).render(
        css=read_template("base.css") + read_template("page.css") + read_template("photos.css"),
        script=script,
        script_digest=digest_script(script),
        students=Markup(encode_data(students)),  # safe: no sign in it can end the element
        student_count=len(students),
        placeholder=students[0]["student"] if students else "",
        batches=results.batches,
        splits=[(split, SPLIT_TITLES[split]) for split in SPLITS],
        flags=sorted({flag for student in students for flag in student["flags"]}),
        model=results.best_model,
    )


def digest_script(script: str) -> str:
    """Return the digest by which a page's security policy permits its own script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def encode_data(value: Any) -> str:
    """Encode data as JSON that is safe within a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def list_students(results: Results) -> list[dict[str, Any]]:
    """Return a dict per student, the most suspicious first: what the page shows and sorts by."""
    flags = _flags_by_student(results)
    mistakes = _mistakes_by_student(results)
    suspects: dict[tuple[str, str], Any] = {
        (str(row.batch), str(row.student)): row for row in results.suspects.itertuples(index=False)
    }
    students: list[dict[str, Any]] = []
    for row in results.split_table.itertuples(index=False):
        key = (str(row.batch), str(row.student))
        suspect, (wrong, pairs, worst) = suspects.get(key), mistakes.get(key, (0, 0, None))
        students.append(
            {
                "batch": row.batch,
                "student": row.student,
                "split": row.split,
                "flags": sorted(flags[key]),
                "rank": int(suspect.rank) if suspect else None,
                "issue": round(float(suspect.issue_probability), 4) if suspect else None,
                "reason": suspect.reason if suspect else "",
                "wrong": wrong,
                "pairs": pairs,  # 0: no scores, a training student
                "worst": worst,
            }
        )
    return sorted(students, key=lambda student: (student["rank"] is None, student["rank"], student["student"]))


def _flags_by_student(results: Results) -> defaultdict[tuple[str, str], set[str]]:
    flags: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for batch, report in results.validation_reports.items():
        for flag, photos in report["flags"].items():
            for photo in photos:
                flags[batch, naming.extract_student_id(PurePosixPath(photo).name)].add(flag.replace("_", " "))
    return flags


def _mistakes_by_student(results: Results) -> dict[tuple[str, str], tuple[int, int, float | None]]:
    """Return mistakes and pairs of the best model, and the least probability that it gave to a right answer."""
    rows = results.scores[results.scores["model"] == results.best_model]
    probabilities = calibration.calibrated_probabilities(
        rows["logit"].to_numpy(), float(results.details["temperatures"][results.best_model])
    )
    same = rows["same"].to_numpy() == 1
    judged = rows[["batch", "student"]].assign(
        wrong=(rows["logit"].to_numpy() > 0) != same,
        right_probability=np.where(same, probabilities, 1 - probabilities),
    )
    return {
        (str(batch), str(student)): (
            int(pairs["wrong"].sum()),
            len(pairs),
            round(float(pairs["right_probability"].min()), 4),
        )
        for (batch, student), pairs in judged.groupby(["batch", "student"])
    }
