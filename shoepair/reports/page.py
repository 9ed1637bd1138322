"""The facts -> the page, the cards, the metadata and the pictures of `dvc plots`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from importlib import resources
from itertools import chain
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from shoepair.evaluation import metrics
from shoepair.reports import croissant, examples, figures, tables, terminal, wording
from shoepair.reports.examples import Shoe
from shoepair.reports.format import CROISSANT, DATA_CARD, EXAMPLES, MODEL_CARD, PAGE, SETS, examples_of, plural
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
    """Write all of it.

    Returns:
        The bytes of the page.
    """
    shown = [_model(found, model) for model in found.models]
    suspects = examples.suspected(found.suspects, found.split)
    small = examples.thumbnails(_shoes(shown, suspects))
    page = _page(found, shown, suspects, small)
    files.write_text(PAGE, page)
    for path, template in ((MODEL_CARD, "model-card.md.j2"), (DATA_CARD, "data-card.md.j2")):
        files.write_text(path, _text(template, found))
    files.write_text(CROISSANT, json.dumps(croissant.document(found), indent=2, ensure_ascii=False) + "\n")
    _write_sheets(shown, small)
    return len(page.encode())


def _write_sheets(shown: list[dict[str, Any]], small: dict[Shoe, Image.Image]) -> None:
    """A picture for every model; those of models that are no more are deleted."""
    wanted = {examples_of(model["name"]): model for model in shown}
    for path in set(EXAMPLES.glob("*.jpg")) - set(wanted):
        path.unlink()
    for path, model in wanted.items():
        parts = [(SETS[name], some) for name, some in model["examples"]]
        with files.replacing(path) as part:
            part.write_bytes(examples.jpeg(examples.sheet(model["name"], parts, small)))


def _environment(*, html: bool) -> Environment:
    made = Environment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.filters |= {"percent": "{:.1%}".format, "capital": lambda text: text[:1].upper() + text[1:]}
    made.filters |= {"small": lambda text: text[:1].lower() + text[1:]}
    return made


def _resource(name: str) -> str:
    return resources.files("shoepair.reports").joinpath("templates", name).read_text(encoding="utf-8")


def _page(
    found: Facts, shown: list[dict[str, Any]], suspects: list[dict[str, Any]], small: dict[Shoe, Image.Image]
) -> str:
    environment = _environment(html=True)
    environment.filters["stacked"] = _stacked
    environment.filters["picture"] = partial(_picture, small)
    return environment.from_string(_resource("page.html.j2")).render(
        css=_resource("page.css"),
        sections=SECTIONS,
        tiles=list(_tiles(found)),
        models=shown,
        roc={name: _roc(found, name) for name in found.tested},
        suspects=suspects,
        most=(examples.WRONG, examples.RIGHT),
        **_common(found),
    )


def _text(template: str, found: Facts) -> str:
    """A card; not escaped, since Markdown is not HTML: nothing in it comes from a file's name."""
    return _environment(html=False).from_string(_resource(template)).render(wording=wording, **_common(found))


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


def _picture(small: dict[Shoe, Image.Image], shoes: tuple[Shoe, Shoe]) -> str:
    return examples.uri(examples.beside(*(small[shoe] for shoe in shoes)))


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
