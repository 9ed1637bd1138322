"""Rendering of results as HTML report, model card, data card, Croissant metadata and example images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from shoepair.data.wording import count_with_noun
from shoepair.evaluation import metrics
from shoepair.reports import (
    card_texts,
    charts,
    croissant,
    examples,
    photos_page,
    plots_template,
    report_tables,
    terminal_tables,
)
from shoepair.reports.chart_drawing import Chart
from shoepair.reports.examples import ShoeKey
from shoepair.reports.formatting import (
    CROISSANT_PATH,
    DATA_CARD_PATH,
    MODEL_CARD_PATH,
    PAGE_PATH,
    PHOTOS_PAGE_PATH,
    SPLIT_TITLES,
    read_template,
)
from shoepair.reports.results import Results
from shoepair.runtime import atomic_files

SECTION_TITLES = {
    "mistakes": "Worst mistakes",
    "unsure": "When to answer “not sure”",
    "suspects": "Label issues",
    "class": "Data",
    "training": "Training",
    "results": "Results",
    "roc": "ROC curves",
    "confusion": "Confusion matrices",
    "scores": "Logits and calibration",
    "examples": "Example pairs",
}
MAX_OPEN_ROWS = 8  # of a table; a longer one is folded
TABLE_FUNCTIONS = (
    report_tables.build_batch_counts_table,
    report_tables.build_split_counts_table,
    report_tables.build_students_by_split_table,
    report_tables.build_quarantine_table,
    report_tables.build_flag_counts_table,
    report_tables.build_near_duplicates_table,
    report_tables.build_probe_table,
    report_tables.build_training_table,
    report_tables.build_accuracy_table,
    report_tables.build_roc_and_calibration_table,
    report_tables.build_reference_differences_table,
    report_tables.build_men_vs_women_table,
    report_tables.build_cv_table,
    report_tables.build_answer_rates_table,
)


def write_report(results: Results) -> int:
    """Write the report, both cards, Croissant metadata, example images and the template; return the page's bytes."""
    contexts = [_model_context(results, model) for model in _list_best_first(results)]
    suspects = examples.list_top_suspects(results.suspects, results.split_table)
    photos = examples.load_photos_by_shoe(_shown_shoes(contexts, suspects))
    thumbnails = {key: examples.resize_photo(photo, examples.THUMBNAIL_EDGE) for key, photo in photos.items()}
    environment = _environment(html=True)
    page = _render_page(environment, results, contexts, suspects, photos, thumbnails)
    atomic_files.write_text(PAGE_PATH, page)
    atomic_files.write_text(PHOTOS_PAGE_PATH, photos_page.render_photos_page(environment, results))
    markdown = _environment(html=False)  # no escaping: the cards contain no file names
    for path, name in ((MODEL_CARD_PATH, "model-card.md.j2"), (DATA_CARD_PATH, "data-card.md.j2")):
        template = markdown.from_string(read_template(name))
        atomic_files.write_text(path, template.render(texts=card_texts, **_shared_context(results)))
    metadata = json.dumps(croissant.build_metadata(results), indent=2, ensure_ascii=False)
    atomic_files.write_text(CROISSANT_PATH, metadata + "\n")
    examples.write_example_sheets({model["name"]: model["examples"] for model in contexts}, thumbnails)
    plots_template.write_plots_template()
    return len(page.encode())


def _environment(*, html: bool) -> Environment:
    environment = Environment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"percent": "{:.1%}".format, "capital": lambda text: text[:1].upper() + text[1:]}
    environment.filters |= {"code": _mark_code, "breakable": _make_breakable}
    environment.filters |= {"small": lambda text: text[:1].lower() + text[1:]}
    return environment


def _list_best_first(results: Results) -> list[str]:
    return sorted(results.models, key=lambda model: model != results.best_model)


def _render_page(
    environment: Environment,
    results: Results,
    model_contexts: list[dict[str, Any]],
    suspects: list[dict[str, Any]],
    photos: dict[ShoeKey, Image.Image],
    thumbnails: dict[ShoeKey, Image.Image],
) -> str:
    environment.filters["stacked"] = _stack_interval
    for name, images in (("picture", thumbnails), ("large_picture", photos)):
        environment.filters[name] = partial(_encode_pair, images)
    models_best_first = {model: results.details["models"][model] for model in _list_best_first(results)}
    script = read_template("enlarge.js")
    return environment.from_string(read_template("page.html.j2")).render(
        css=read_template("base.css") + read_template("page.css"),
        script=script,
        script_digest=photos_page.digest_script(script),
        max_open_rows=MAX_OPEN_ROWS,
        answer=charts.build_answer_chart(models_best_first, results.tested_splits, SPLIT_TITLES),
        mistakes=examples.list_worst_mistakes(model_contexts[0]["examples"]),
        training_parameters=", ".join(_list_parameters(results.model_cards[results.best_model]["config"])),
        sections=SECTION_TITLES,
        tiles=list(_tiles(results)),
        models=model_contexts,
        roc={split: _roc_chart(results, split) for split in results.tested_splits},
        suspects=suspects,
        max_wrong=examples.MAX_WRONG_SHOWN,
        max_correct=examples.MAX_CORRECT_SHOWN,
        **_shared_context(results),
    )


def _list_parameters(config: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield "name: value" of each parameter; those of a section as "section.name"."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _list_parameters(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {value}"


def _encode_pair(images: dict[ShoeKey, Image.Image], shoes: tuple[ShoeKey, ShoeKey]) -> str:
    return examples.encode_data_uri(examples.join_side_by_side(*(images[shoe] for shoe in shoes)))


def _shared_context(results: Results) -> dict[str, Any]:
    tables = [make_table(results) for make_table in TABLE_FUNCTIONS]
    return {
        "results": results,
        "tables": {table.key: table for table in tables},
        "split_titles": SPLIT_TITLES,
        "count_sums": report_tables.list_count_sum_sentences(results),
        "changes": report_tables.changes_sentence(results),
        "leakage": report_tables.leakage_sentence(results),
        "thresholds": report_tables.thresholds_sentence(results),
        "synthetic": card_texts.synthetic_students_sentence(results),
        "pretrained": card_texts.pretrained_sentence(results),
        "tta": card_texts.tta_sentence(results),
        "source": f"{card_texts.class_sentence(results)} {card_texts.collection_sentence(results)}",
    }


def _mark_code(text: str) -> Markup:
    """Turn what stands between backticks into code elements."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _make_breakable(name: str) -> Markup:
    """Let a name be broken behind its underscores, and not elsewhere."""
    return Markup("_<wbr>").join(name.split("_"))


def _stack_interval(cell: str) -> Markup | str:
    """Put the interval below its number, which keeps columns narrow."""
    number, space, interval = cell.partition(" (")
    return Markup("{} <small>({}</small>").format(number, interval) if space else cell


def _tiles(results: Results) -> Iterator[dict[str, str]]:
    """Yield the headline numbers."""
    yield {
        "title": "Best model by validation",
        "number": results.best_model,
        "range": f"of {', '.join(results.models)}",
    }
    for split in results.tested_splits:
        stats = results.details["models"][results.best_model][split]
        share, _, interval = terminal_tables.format_value_and_interval(stats, "balanced").partition(" ")
        yield {
            "title": f"Balanced accuracy, {SPLIT_TITLES[split]}",
            "number": share,
            "range": f"{interval.strip('()')}%, {count_with_noun(stats['students'], 'student')}",
        }
    total = results.total_counts
    yield {
        "title": "Data",
        "number": count_with_noun(total["students"], "student"),
        "range": f"{count_with_noun(total['accepted'], 'photo')}, {total['quarantined_students']:,} quarantined",
    }


def _model_context(results: Results, model: str) -> dict[str, Any]:
    """Return what the page shows of one model."""
    rows = results.select_scores(model, results.pooled_split)
    temperature = float(results.details["temperatures"][model])
    stats = results.details["models"][model][results.pooled_split]
    errors = (float(stats["ece"]), float(stats["ece_calibrated"]))
    epochs, loss = results.epoch_curves[model], results.loss_curves[model]
    return {
        "name": model,
        "loss": charts.build_loss_chart(model, loss),
        "epochs": len(epochs),
        "last": epochs.iloc[-1].to_dict(),
        "averaged": len(loss) > charts.MAX_LOSS_POINTS,
        "accuracy": charts.build_accuracy_chart(model, epochs),
        "scores": charts.build_logit_histogram_chart(model, rows),
        "reliability": charts.build_reliability_chart(model, rows, temperature, errors),
        "ece": errors,
        "matrices": [_confusion_matrix(results, model, split) for split in results.tested_splits],
        "examples": [
            (split, examples.list_example_groups(results.select_scores(model, split), temperature))
            for split in results.tested_splits
        ],
    }


def _confusion_matrix(results: Results, model: str, split: str) -> dict[str, Any]:
    """Return the confusion matrix of the standard pairs: a row per label, columns called same and called different."""
    scores = results.select_scores(model, split)
    counts = metrics.count_correct_per_student(scores[scores["standard"]]).sum(axis=0)  # label x (correct, all)
    rows: list[dict[str, Any]] = []
    for title, (correct, pairs) in zip(("same pairs", "different pairs"), counts.astype(int).tolist(), strict=True):
        called = (pairs - correct, correct) if rows else (correct, pairs - correct)
        rows.append({"title": title, "cells": [{"count": count, "share": count / pairs} for count in called]})
    return {"split": split, "rows": rows}


def _roc_chart(results: Results, split: str) -> Chart:
    scores = {model: results.select_scores(model, split) for model in results.models}
    stats = {model: results.details["models"][model][split] for model in results.models}
    return charts.build_roc_chart(split, SPLIT_TITLES[split], scores, stats)


def _shown_shoes(model_contexts: list[dict[str, Any]], suspects: list[dict[str, Any]]) -> Iterator[ShoeKey]:
    """Iterate over the keys of all photos on the page."""
    groups = [group for model in model_contexts for _, groups in model["examples"] for group in groups]
    pairs = [pair.shoe_keys for group in groups for pair in group.examples]
    return chain.from_iterable([*pairs, *(pair for suspect in suspects for pair in suspect["pairs"])])
