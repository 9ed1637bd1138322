"""Tables and sentences of the report page, the model card and the data card.

A table consists of text cells: the page shows it as HTML, the cards as Markdown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from shoepair.data.naming import SHOE_KEYS, SPLITS
from shoepair.data.wording import count_with_noun
from shoepair.evaluation.metric_names import PRETRAINED_MODELS, differences_against
from shoepair.reports.formatting import SPLIT_TITLES, VALIDATION_COUNT_NAMES, markdown_table
from shoepair.reports.results import Results
from shoepair.reports.terminal_tables import (
    DIFFERENCE_TITLES,
    METRIC_TITLES,
    cv_row,
    format_value_and_interval,
    format_values_and_intervals,
    iter_models_in_order,
    men_vs_women_rows,
    roc_and_calibration_rows,
)

PRETRAINED_START = "pretrained on ImageNet"  # of a model, in tables
MAX_ROWS = 40  # rows of a list of errors or near-duplicates
MAX_NAMED_PHOTOS = 3  # photos named per flag
PROBE_TITLES = {
    "order": "coarse grey thumbnails (which shoe is above)",
    "brightness": "mean and deviation of the colours",
    "border": "outermost pixels",
    "file": "length and extension of the files",
}


class Table(NamedTuple):
    """A table of the report: caption, header and rows of text."""

    key: str  # of the table in templates
    caption: str
    head: list[str]
    rows: list[list[str]]
    text_columns: int = 1  # left-aligned columns; the others hold numbers

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        return markdown_table([self.head, *self.rows], self.text_columns)


def build_batch_counts_table(results: Results) -> Table:
    """Return a table of the files and students of every batch: accepted, quarantined, ignored."""
    rows = [
        [
            batch,
            "synthetic" if batch in results.synthetic_batches else "photographed",
            *_format_counts(report, VALIDATION_COUNT_NAMES),
        ]
        for batch, report in results.validation_reports.items()
    ]
    rows += [["all", "", *_format_counts(results.total_counts, VALIDATION_COUNT_NAMES)]]
    head = ["batch", "source", "files", "accepted", "quarantined", "ignored", "students", "quarantined students"]
    return Table("batches", "Files and students of every batch", head, rows, 2)


def build_split_counts_table(results: Results) -> Table:
    """Return a table of the students, photos and pairs of every split."""
    names = ("students", "pairs", "pairs_m", "pairs_w", "students_m", "students_w")
    sums = {name: sum(counts[name] for counts in results.split_counts.values()) for name in names}
    rows = []
    for split, counts in [*((split, results.split_counts[split]) for split in SPLITS), ("all", sums)]:
        students, *others = _format_counts(counts, names)
        title = f"{SPLIT_TITLES[split]} ({split})" if split in SPLIT_TITLES else split
        rows.append([title, students, f"{len(SHOE_KEYS) * counts['students']:,}", *others])
    head = ["split", "students", "photos", "pairs", "men's pairs", "women's pairs"]
    head += ["students with men's", "students with women's"]
    return Table("splits", "Students, photos and pairs of shoes of every split", head, rows)


def build_students_by_split_table(results: Results) -> Table:
    """Return a table of the number of students per batch and split."""
    counts = results.split_table.groupby(["batch", "split"]).size()
    rows = []
    for batch in results.batches:
        numbers = [int(counts.get((batch, split), 0)) for split in SPLITS]
        rows.append([batch, *(f"{number:,}" for number in (*numbers, sum(numbers)))])
    return Table("places", "Students of every batch, by split", ["batch", *SPLITS, "all"], rows)


def list_count_sum_sentences(results: Results) -> list[str]:
    """Return sentences that show how the counts of files, photos and students add up."""
    total = results.total_counts
    students = count_with_noun(total["students"], "student")
    by_split = " + ".join(f"{results.split_counts[split]['students']:,} {split}" for split in SPLITS)
    return [
        f"{count_with_noun(total['files'], 'file')} = {total['accepted']:,} accepted"
        f" + {total['quarantined']:,} quarantined + {total['ignored']:,} ignored.",
        f"{total['accepted']:,} accepted photos = {students} × {len(SHOE_KEYS)}.",
        f"{students} = {by_split}.",
    ]


def build_quarantine_table(results: Results) -> Table:
    """Return a table of the quarantined students and files with the reasons, the first 40."""
    rows = [
        [batch, name, "; ".join(reasons)]
        for batch, report in results.validation_reports.items()
        for name, reasons in report["reasons"].items()
    ]
    caption = _limit_caption("Quarantined students and files, with the reasons", len(rows))
    return Table("aside", caption, ["batch", "student or file", "reason"], rows[:MAX_ROWS], 3)


def build_flag_counts_table(results: Results) -> Table:
    """Return a table of the flags, with the number of photos and examples."""
    photos: dict[str, list[str]] = {}
    for batch, report in results.validation_reports.items():
        for flag, paths in report["flags"].items():
            photos.setdefault(flag.replace("_", " "), []).extend(f"{batch}/{path}" for path in paths)
    rows = [[flag, f"{len(paths):,}", _first_photos(paths)] for flag, paths in photos.items()]
    return Table("flags", "Flagged photos; flags exclude nobody", ["flag", "photos", "examples"], rows)


def changes_sentence(results: Results) -> str:
    """Return a sentence on what was changed in accepted photos; "" if nothing."""
    counts: Counter[str] = Counter()
    for report in results.validation_reports.values():
        counts.update(report["changed"])
    return "; ".join(f"{count_with_noun(count, 'photo')}: {remark}" for remark, count in counts.items())


def build_near_duplicates_table(results: Results) -> Table:
    """Return a table of near-duplicate photos, each two once, the first 40."""
    rows = []
    for row in results.duplicates.itertuples():
        one, other = f"{row.batch}/{row.path}", f"{row.other_batch}/{row.other_path}"
        if one < other:
            rows.append([one, other, str(row.hash_distance)])
    caption = _limit_caption("Near-duplicate photos within one split", len(rows))
    return Table("twice", caption, ["photo", "other photo", "different bits of 256"], rows[:MAX_ROWS], 2)


def build_probe_table(results: Results) -> Table:
    """Return a table of the leakage probes' balanced accuracies."""
    rows = [
        [
            name,
            PROBE_TITLES.get(name, name),
            format_value_and_interval(stats, "balanced"),
            "yes" if stats["leaks"] else "no",
        ]
        for name, stats in results.probe_results.items()
    ]
    head = ["probe", "input", "balanced accuracy", "beats chance"]
    samples = {
        (stats["students"], stats["of_students"]) for stats in results.probe_results.values() if "students" in stats
    }
    on = "".join(f", on a sample of {part:,.0f} of {count:,.0f} students" for part, count in samples)
    return Table("audit", f"Linear probes that must not separate same from different pairs{on}", head, rows, 2)


def leakage_sentence(results: Results) -> str:
    """Return a sentence on whether leakage was found."""
    if not results.probe_results:
        return "Too few students: no probe was trained, so leakage is unknown."
    leaks = [name for name, stats in results.probe_results.items() if stats["leaks"]]
    if leaks:
        return f"Leakage: the label follows from {', '.join(leaks)}, without the match. Do not trust any result."
    best = max(float(stats["balanced"]) for stats in results.probe_results.values())
    return (
        f"No leakage was found: {count_with_noun(len(results.probe_results), 'probe')} without access to the match "
        f"reached at most {best:.1%} balanced accuracy; chance is 50%."
    )


def build_accuracy_table(results: Results) -> Table:
    """Return a table of every model's accuracies with intervals."""
    rows = [
        [
            f"{model} ({PRETRAINED_START})" if model in PRETRAINED_MODELS else model,
            SPLIT_TITLES[split],
            str(stats["students"]),
            *format_values_and_intervals(stats, METRIC_TITLES),
        ]
        for model, split, stats in iter_models_in_order(results.details["models"], results.best_model)
    ]
    head = ["model", "split", "students", *METRIC_TITLES.values()]
    return Table("accuracies", "Accuracy of every model, with 95% intervals", head, rows, 2)


def build_roc_and_calibration_table(results: Results) -> Table:
    """Return a table of every model's ROC metrics and calibration errors."""
    head = ["model", "split", "ROC AUC", "equal error rate", "TPR at 1 % FPR", "TPR at 5 % FPR"]
    head += ["calibration error", "after scaling", "temperature"]
    caption = "ROC curve and calibration of every model, over all nine pairs"
    return Table("curve", caption, head, roc_and_calibration_rows(results.details, SPLIT_TITLES), 2)


def build_reference_differences_table(results: Results) -> Table:
    """Return a table of every model's metrics minus the reference model's, with intervals."""
    rows = [
        [
            model,
            SPLIT_TITLES[entry["split"]],
            str(entry["students"]),
            *format_values_and_intervals(entry, DIFFERENCE_TITLES, "+"),
        ]
        for model in sorted(results.models, key=lambda name: (name in PRETRAINED_MODELS, name != results.best_model))
        for entry in sorted(
            differences_against(results.details["differences"], model, results.reference_model),
            key=lambda entry: entry["split"] == "valid",
        )
    ]
    head = [f"minus {results.reference_model}", "split", "students", *DIFFERENCE_TITLES.values()]
    return Table("differences", f"Every model minus {results.reference_model}, on the same students", head, rows, 2)


def build_men_vs_women_table(results: Results) -> Table:
    """Return a table of every model's metrics on men's minus women's shoes; empty if a test split is empty."""
    head = ["model", "students", *DIFFERENCE_TITLES.values()]
    rows = men_vs_women_rows(results.details["kinds"])
    return Table("kinds", "Men's minus women's shoes, different students", head, rows)


def build_cv_table(results: Results) -> Table:
    """Return a table of the cross-validation metrics of every model."""
    rows = [cv_row(model, stats) for model, stats in results.cv_metrics.items()]
    head = ["model", "students", "positive", "all six: negative", "all six: balanced", "ROC AUC", "TPR at 1 % FPR"]
    return Table("folds", "Cross-validation over the training and validation students", head, rows)


def build_training_table(results: Results) -> Table:
    """Return a table of every model's parameters and training settings."""
    rows = []
    for model in results.models:
        card = results.model_cards[model]
        config = card["config"]
        numbers = [f"{card['parameters']:,}", f"{card['layers']['edge']}", str(config["epochs"]), f"{config['lr']:g}"]
        start = PRETRAINED_START if model in PRETRAINED_MODELS else "from scratch"
        rows.append([model, start, *numbers, str(config["batch_size"]), str(card["epoch"]["epoch"])])
    head = ["model", "start", "parameters", "image edge", "epochs", "learning rate", "mini-batch", "selected epoch"]
    return Table("trained", "Trained models", head, rows, 2)


def build_answer_rates_table(results: Results) -> Table:
    """Return a table of the shares of pairs with a sure, a probable and no answer, and of wrong ones, per split."""
    rows = []
    for split, rates in results.decision_rule.sets.items():
        shares = [1 - rates.answered, rates.answered - rates.sure, rates.sure]
        wrong = ["no answers" if share is None else f"{share:.1%}" for share in (rates.wrong, rates.sure_wrong)]
        errors = [
            f"{counted.wrong} of {counted.students} ({counted.low:.1%} to {counted.high:.1%})"
            for counted in (rates.same, rates.different)
        ]
        rows.append([SPLIT_TITLES[split], *(f"{share:.1%}" for share in shares), *wrong, *errors])
    head = [
        *("split", "not sure", "probable", "sure", "wrong answers", "wrong sure answers"),
        *("students with a wrong “same”", "students with a wrong “different”"),
    ]
    return Table("answered", "Shares of pairs without and with an answer", head, rows)


def thresholds_sentence(results: Results) -> str:
    """Return a sentence on the thresholds of the best model."""
    rule = results.decision_rule
    same = f"“same” above {_format_probability(rule.same_above)}" if rule.same_above < 1 else "never “same”"
    below = _format_probability(rule.different_below)
    different = f"“different” below {below}" if rule.different_below > 0 else "never “different”"
    sure_same = (
        f"above {_format_probability(rule.sure_same_above)}" if rule.sure_same_above < 1 else "never for “same”"
    )
    sure_below = _format_probability(rule.sure_different_below)
    sure_different = f"below {sure_below}" if rule.sure_different_below > 0 else "never for “different”"
    answers = f"{rule.model} answers {same}, {different}, and “not sure” otherwise"
    if rule.sure_same_above == 1 and rule.sure_different_below == 0:
        return f"{answers}."  # `rule.says` says why no answer is sure
    return f"{answers}. It is sure {sure_same} and {sure_different}."


def _format_probability(value: float) -> str:
    return f"a probability of {100 * value:.4g}%"


def _format_counts(counts: dict[str, Any], names: Iterable[str]) -> list[str]:
    return [f"{counts[name]:,}" for name in names]


def _limit_caption(caption: str, count: int) -> str:
    return f"{caption}: the first {MAX_ROWS} of {count:,}" if count > MAX_ROWS else caption


def _first_photos(paths: list[str]) -> str:
    more = f" and {len(paths) - MAX_NAMED_PHOTOS:,} more" if len(paths) > MAX_NAMED_PHOTOS else ""
    return ", ".join(paths[:MAX_NAMED_PHOTOS]) + more
