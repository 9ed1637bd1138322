"""Invented but consistent results for the tests of the report, and a parser of its page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd

from shoepair.data import pairs, parquet_files, schemas, store
from shoepair.evaluation import comparison, metrics, thresholds
from shoepair.reports import page, results
from shoepair.reports.formatting import CROISSANT_PATH, DATA_CARD_PATH, MODEL_CARD_PATH, PAGE_PATH
from shoepair.reports.results import Results
from shoepair.runtime import paths
from support.classes import scores_of

EDGE = 32
CLASS = {"train": 6, "valid": 8, "test_m": 5, "test_w": 4}
CARD = {
    "parameters": 1234,
    "layers": {"edge": 16, "tta": False},
    "config": {"epochs": 3, "lr": 0.001, "batch_size": 32, "synthetic_ratio": 1.0},
    "epoch": {"epoch": 2},
}


def made(
    sets: dict[str, int] | None = None,
    models: Iterable[str] = ("histogram", "cnn"),
    noise: float = 1.2,
    folded: Iterable[str] = (),
    **report: Any,
) -> Results:
    """Write the store of a batch `a` into the current directory, and return invented results of the stages.

    Args:
        sets: number of students of every split.
        models: the trained ones.
        noise: of their logits; 0 for models that are always right.
        folded: the cross-validated models.
        report: fields of the validation report that replace the default.
    """
    counts = dict.fromkeys(CLASS, 0) | (sets or CLASS)
    split = _split(counts)
    parts = [
        scores_of(students, 7 * index + number, split=name, model=model, noise=noise, first=_first(counts, name))
        for number, model in enumerate(models)
        for index, (name, students) in enumerate(counts.items())
        if students and name != "train"
    ]
    scores = pd.concat(parts, ignore_index=True)
    scores["row"] = scores["student"].map(split.set_index("student")["row"])
    details = comparison.compare_models(scores, list(models), 100, 1)
    best = details["best"]
    _write_store(list(split["student"]))
    parquet_files.write_table(paths.SPLIT, split, schemas.StudentSplits)
    parquet_files.write_table(paths.PAIRS, pairs.build_pair_rows(split), schemas.Pairs)
    curve = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [0.9, 0.7, 0.5]})
    for name in ("train_positive", "train_negative", "valid_positive", "valid_negative"):
        curve[name] = [0.4, 0.6, 0.75]
    return Results(
        batches=["a"],
        synthetic_batches=[],
        validation_reports={"a": _validation(len(split)) | report},
        split_counts={name: _counts(name, number) for name, number in counts.items()},
        split_table=split,
        duplicates=pd.DataFrame({name: [] for name in schemas.NearDuplicates.to_schema().columns}),
        suspects=_suspects(split),
        probe_results={"order": {"balanced": 0.5, "low": 0.47, "high": 0.53, "leaks": False}},
        details=details,
        scores=scores,
        decision_rule=thresholds.fit_decision_rule(
            scores,
            best,
            details["temperatures"][best],
            thresholds.describe_learning(pairs.build_pair_rows(split), set(), details),
        ),
        model_cards=dict.fromkeys(models, CARD),
        epoch_curves=dict.fromkeys(models, curve),
        loss_curves={
            model: pd.DataFrame({"iteration": range(1, 31), "loss": np.linspace(1, 0.5, 30)}) for model in models
        },
        cv_metrics={
            model: metrics.compute_metrics(metrics.select_split_rows(parts[0], "valid"), 100, 1) for model in folded
        },
        resamples=100,
        dataset_digest="5" * 64,
    )


def written_page(data: Results) -> str:
    """Write the report and return its page."""
    results.raise_if_inconsistent(data)
    page.write_report(data)
    return PAGE_PATH.read_text(encoding="utf-8")


def cards(**changes: Any) -> tuple[str, str, dict[str, Any]]:
    """Write the report; return the model card, the data card and the metadata."""
    written_page(made(**changes))
    document: dict[str, Any] = json.loads(CROISSANT_PATH.read_text())
    return MODEL_CARD_PATH.read_text(), DATA_CARD_PATH.read_text(), document


def _first(counts: dict[str, int], name: str) -> int:
    names = list(counts)
    return 100 + sum(counts[split] for split in names[: names.index(name)])


def _split(counts: dict[str, int]) -> pd.DataFrame:
    rows = [
        {"batch": "a", "student": f"u{_first(counts, name) + number}", "split": name}
        for name, students in counts.items()
        for number in range(students)
    ]
    split = pd.DataFrame(rows)
    split.insert(2, "row", range(len(split)))
    return split


def _write_store(students: list[str]) -> None:
    rng = np.random.default_rng(1)
    images = (rng.integers(0, 256, (3, 2, EDGE, EDGE, 3), np.uint8) for _ in students)
    store.write_store(paths.store_path("a"), students, images, EDGE)


def _validation(students: int) -> dict[str, Any]:
    counts = {"files": 6 * students, "accepted": 6 * students, "quarantined": 0, "ignored": 0, "students": students}
    return {"batch": "a", **counts, "quarantined_students": 0, "changed": {}, "flags": {}, "reasons": {}}


def _counts(name: str, students: int) -> dict[str, int]:
    categories = {"m": 0 if name == "test_w" else students, "w": students if name == "test_w" else 0}
    by_category = {
        f"{unit}_{category}": factor * number
        for category, number in categories.items()
        for unit, factor in (("students", 1), ("pairs", 3))
    }
    return {"students": students, "pairs": 3 * students, **by_category}


def _suspects(split: pd.DataFrame) -> pd.DataFrame:
    rows = split[["batch", "student"]].assign(
        rank=range(1, len(split) + 1), reason="pair 1: left and right do not match"
    )
    chances = np.linspace(0.4, 0, len(split))
    rows = rows.assign(issue_probability=chances, mispaired=chances, swapped=0.0, not_a_shoe=0.0)
    return rows[list(schemas.LabelIssues.to_schema().columns)]


class Reader(HTMLParser):
    """Parser of an HTML page: tables by caption, levels of headings, addresses, ids, texts."""

    VOID = frozenset({"meta", "link", "img", "br", "path", "use"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.levels: list[int] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.alts: list[str] = []
        self._caption: str | None = None
        self._rows: list[list[str]] = []
        self._cell: str | None = None
        self.feed(text)

    @property
    def words(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.addresses += [values[name] for name in ("href", "src", "srcset", "xlink:href") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        self.alts += [values[name] for name in ("alt", "aria-label") if name in values and tag in {"img", "div"}]
        if tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self.levels.append(int(tag[1]))
        if tag == "table":
            self._rows = []
        if tag == "caption":
            self._caption = ""
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._cell = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._rows[-1].append(" ".join((self._cell or "").split()))
            self._cell = None
        if tag == "table":
            assert self._caption, "a table without a caption"
            self.tables[" ".join(self._caption.split())] = self._rows
            self._caption = None

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._cell is not None:
            self._cell += data
        elif self._caption is not None and not self._rows:
            self._caption += data
