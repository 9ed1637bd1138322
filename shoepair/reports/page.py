"""The facts -> the page, the cards, the metadata and the pictures of `dvc plots`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from shoepair.evaluation import metrics
from shoepair.reports import croissant, examples, figures, tables, terminal, wording
from shoepair.reports.examples import Shoe
from shoepair.reports.format import CROISSANT, DATA_CARD, MODEL_CARD, PAGE, SETS, plural, template
from shoepair.reports.results import Facts
from shoepair.runtime import files

SECTIONS = {
    "class": "The class",
    "suspects": "Suspects",
    "training": "Training",
    "results": "Results",
    "roc": "ROC curves",
    "confusion": "Confusion",
    "scores": "Scores",
    "calibration": "Calibration",
    "unsure": "When to say “not sure”",
    "examples": "Right and wrong",
}
TABLES = (
    *(tables.batches, tables.splits, tables.places, tables.set_aside, tables.flags, tables.twice, tables.audit),
    *(tables.trained, tables.accuracies, tables.on_the_curve, tables.differences, tables.kinds, tables.folds),
    tables.answered,
)


def write(found: Facts) -> int:
    """Write all of it, and return how many bytes the page has."""
    shown = [_model(found, model) for model in found.models]
    suspects = examples.suspected(found.suspects, found.split)
    small = examples.thumbnails(_shoes(shown, suspects))
    page = _page(found, shown, suspects, small)
    files.write_text(PAGE, page)
    plain = _environment(html=False)  # Markdown is not HTML, and nothing in the cards comes from a file's name
    for path, name in ((MODEL_CARD, "model-card.md.j2"), (DATA_CARD, "data-card.md.j2")):
        files.write_text(path, plain.from_string(template(name)).render(wording=wording, **_common(found)))
    files.write_text(CROISSANT, json.dumps(croissant.document(found), indent=2, ensure_ascii=False) + "\n")
    examples.write_sheets({model["name"]: model["examples"] for model in shown}, small)
    return len(page.encode())


def _environment(*, html: bool) -> Environment:
    made = Environment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.filters |= {"percent": "{:.1%}".format, "capital": lambda text: text[:1].upper() + text[1:]}
    made.filters |= {"small": lambda text: text[:1].lower() + text[1:]}
    return made


def _page(
    found: Facts, shown: list[dict[str, Any]], suspects: list[dict[str, Any]], small: dict[Shoe, Image.Image]
) -> str:
    environment = _environment(html=True)
    environment.filters["stacked"] = _stacked
    environment.filters["picture"] = lambda shoes: examples.uri(examples.beside(*(small[shoe] for shoe in shoes)))
    return environment.from_string(template("page.html.j2")).render(
        css=template("base.css") + template("page.css"),
        sections=SECTIONS,
        tiles=list(_tiles(found)),
        models=shown,
        roc={name: _roc(found, name) for name in found.tested},
        suspects=suspects,
        most=(examples.WRONG, examples.RIGHT),
        **_common(found),
    )


def _common(found: Facts) -> dict[str, Any]:
    return {
        "facts": found,
        "tables": {made.key: made for made in (make(found) for make in TABLES)},
        "sets": SETS,
        "sums": tables.sums(found),
        "changed": tables.changed(found),
        "audited": tables.audited(found),
        "thresholds": tables.thresholds(found),
        "drawn": wording.drawn(found),
        "views": wording.views(found),
        "source": f"{wording.description(found)} {wording.collection(found)}",
    }


def _stacked(cell: str) -> Markup | str:
    """A number with its interval under it, which keeps columns narrow."""
    number, space, interval = cell.partition(" (")
    return Markup("{} <small>({}</small>").format(number, interval) if space else cell


def _tiles(found: Facts) -> Iterator[dict[str, str]]:
    """The numbers that a reader looks for first."""
    yield {"title": "Best model, by validation", "number": found.best, "range": f"of {', '.join(found.models)}"}
    for name in found.tested:
        got = found.details["models"][found.best][name]
        share, _, interval = terminal.interval(got, "balanced").partition(" ")
        yield {
            "title": f"Balanced accuracy, {SETS[name]}",
            "number": share,
            "range": f"{interval.strip('()')}%, {plural(got['students'], 'student')}",
        }
    total = found.total
    yield {
        "title": "The class",
        "number": plural(total["students"], "student"),
        "range": f"{plural(total['accepted'], 'photo')}, {total['quarantined_students']:,} students set aside",
    }


def _model(found: Facts, model: str) -> dict[str, Any]:
    """What the page shows of a model."""
    rows, heat = found.of(model, found.whole), float(found.details["temperatures"][model])
    got = found.details["models"][model][found.whole]
    errors = (float(got["ece"]), float(got["ece_calibrated"]))
    return {
        "name": model,
        "loss": figures.loss(model, found.iterations[model]),
        "steps": len(found.epochs[model]),
        "last": found.epochs[model].iloc[-1].to_dict(),
        "averaged": len(found.iterations[model]) > figures.POINTS,
        "accuracy": figures.accuracy(model, found.epochs[model]),
        "scores": figures.scores(model, rows),
        "reliability": figures.reliability(model, rows, heat, errors),
        "ece": errors,
        "matrices": [_matrix(found, model, name) for name in found.tested],
        "examples": [(name, examples.groups(found.of(model, name), heat)) for name in found.tested],
    }


def _matrix(found: Facts, model: str, name: str) -> dict[str, Any]:
    """The standard pairs: how many of each kind were called what."""
    rows = found.of(model, name)
    counts = metrics.tally(rows[rows["standard"]]).sum(axis=0)  # (same, different) x (right, all)
    lines = []
    for row, kind in enumerate(("same pairs", "different pairs")):
        right, pairs = (int(number) for number in counts[row])
        called = (right, pairs - right) if row == 0 else (pairs - right, right)
        lines.append({"kind": kind, "cells": [{"count": count, "share": count / pairs} for count in called]})
    return {"set": name, "rows": lines}


def _roc(found: Facts, name: str) -> figures.Chart:
    scores = {model: found.of(model, name) for model in found.models}
    measured = {model: found.details["models"][model][name] for model in found.models}
    return figures.roc(name, SETS[name], scores, measured)


def _shoes(shown: list[dict[str, Any]], suspects: list[dict[str, Any]]) -> Iterator[Shoe]:
    """All photos that are shown."""
    groups = [group for model in shown for _, some in model["examples"] for group in some]
    pairs = [each.shoes for group in groups for each in group.shown]
    return chain.from_iterable([*pairs, *(pair for each in suspects for pair in each["pairs"])])
