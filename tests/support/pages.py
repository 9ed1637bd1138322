"""Classes for the tests of the report, whose facts are made up but go together; a reader of the page made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd

from shoepair.data import pairs, schemas, store, tables
from shoepair.evaluation import comparison, metrics, thresholds
from shoepair.reports import page, results
from shoepair.reports.format import CROISSANT, DATA_CARD, MODEL_CARD, PAGE
from shoepair.reports.results import Facts
from shoepair.runtime import paths
from support.classes import scores_of

EDGE = 32
CLASS = {"train": 6, "valid": 8, "test_m": 5, "test_w": 4}
CARD = {
    "parameters": 1234,
    "layers": {"edge": 16, "tta": False},
    "recipe": {"epochs": 3, "lr": 0.001, "batch_size": 32, "synthetic": 1.0},
    "epoch": {"epoch": 2},
}


def made(
    sets: dict[str, int] | None = None,
    models: Iterable[str] = ("histogram", "cnn"),
    noise: float = 1.2,
    folded: Iterable[str] = (),
    **report: Any,
) -> Facts:
    """Write the store of a class `a` into the current directory, and make up what the stages would say of it.

    Args:
        sets: students of every split.
        models: that were trained.
        noise: of their scores; 0 for models that are always right.
        folded: models that were cross-validated.
        report: what the validation report says otherwise.
    """
    counts = dict.fromkeys(CLASS, 0) | (sets or CLASS)
    split = _split(counts)
    parts = [
        scores_of(students, 7 * place + number, split=name, model=model, noise=noise, first=_first(counts, name))
        for number, model in enumerate(models)
        for place, (name, students) in enumerate(counts.items())
        if students and name != "train"
    ]
    scores = pd.concat(parts, ignore_index=True)
    scores["row"] = scores["student"].map(split.set_index("student")["row"])
    details = comparison.assess(scores, list(models), 100, 1)
    best = details["best"]
    _write_store(list(split["student"]))
    tables.write(paths.SPLIT, split, schemas.Split)
    tables.write(paths.PAIRS, pairs.build(split), schemas.Pairs)
    curve = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [0.9, 0.7, 0.5]})
    for name in ("train_positive", "train_negative", "valid_positive", "valid_negative"):
        curve[name] = [0.4, 0.6, 0.75]
    return Facts(
        batches=["a"],
        drawn=[],
        validation={"a": _validation(len(split)) | report},
        counts={name: _counts(name, number) for name, number in counts.items()},
        split=split,
        twice=pd.DataFrame({name: [] for name in schemas.Duplicates.to_schema().columns}),
        suspects=_suspects(split),
        audit={"order": {"balanced": 0.5, "low": 0.47, "high": 0.53, "leaks": False}},
        details=details,
        scores=scores,
        decision=thresholds.decide(scores, best, details["temperatures"][best]),
        cards=dict.fromkeys(models, CARD),
        epochs=dict.fromkeys(models, curve),
        iterations={
            model: pd.DataFrame({"iteration": range(1, 31), "loss": np.linspace(1, 0.5, 30)}) for model in models
        },
        folded={model: metrics.metrics(metrics.of_set(parts[0], "valid"), 100, 1) for model in folded},
        resamples=100,
    )


def written_page(found: Facts) -> str:
    """The page as it is written."""
    results.refuse_mismatch(found)
    page.write(found)
    return PAGE.read_text(encoding="utf-8")


def cards(**changes: Any) -> tuple[str, str, dict[str, Any]]:
    """The two cards and the metadata."""
    found = made(**changes)
    written_page(found)
    document: dict[str, Any] = json.loads(CROISSANT.read_text())
    return MODEL_CARD.read_text(), DATA_CARD.read_text(), document


def _first(counts: dict[str, int], name: str) -> int:
    names = list(counts)
    return 100 + sum(counts[each] for each in names[: names.index(name)])


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
    store.write(paths.store("a"), students, images, EDGE)


def _validation(students: int) -> dict[str, Any]:
    counts = {"files": 6 * students, "accepted": 6 * students, "quarantined": 0, "ignored": 0, "students": students}
    return {"batch": "a", **counts, "quarantined_students": 0, "changed": {}, "flags": {}, "reasons": {}}


def _counts(name: str, students: int) -> dict[str, int]:
    kinds = {"m": 0 if name == "test_w" else students, "w": students if name == "test_w" else 0}
    parts = {
        f"{what}_{kind}": times * got for kind, got in kinds.items() for what, times in (("students", 1), ("pairs", 3))
    }
    return {"students": students, "pairs": 3 * students, **parts}


def _suspects(split: pd.DataFrame) -> pd.DataFrame:
    rows = split[["batch", "student"]].assign(rank=range(1, len(split) + 1), why="pair 1: left and right do not match")
    chances = np.linspace(0.4, 0, len(split))
    rows = rows.assign(suspicion=chances, mispaired=chances, swapped=0.0, not_a_shoe=0.0)
    return rows[list(schemas.Suspects.to_schema().columns)]


class Reader(HTMLParser):
    """What stands on a page: tables by their captions, headings, addresses, ids, words."""

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
        """All text, spaces made one."""
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses += [given[name] for name in ("href", "src", "srcset", "xlink:href") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        self.alts += [given[name] for name in ("alt", "aria-label") if name in given and tag in {"img", "div"}]
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
