"""The tables of the page and of the cards, and what each says in words.

A table is rows of texts: the page shows it as HTML, the cards as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from shoepair.data.naming import SHOES, SPLITS
from shoepair.evaluation import metric_names
from shoepair.evaluation.metric_names import BASELINE
from shoepair.reports import terminal
from shoepair.reports.format import SETS, percent, plural
from shoepair.reports.results import Facts

MOST = 40  # rows of a list of faults or of near-duplicates
NAMED = 3  # photos named of each flag
FIGURES = {
    "positive": "positive",
    "negative": "negative",
    "balanced": "balanced",
    "negative_all": "all six: negative",
    "balanced_all": "all six: balanced",
}
CURVE = {"auc": "ROC AUC", "eer": "equal error", "tpr_1": "TPR at 1 % FPR", "tpr_5": "TPR at 5 % FPR"}
GAINS = {"balanced": "balanced", "balanced_all": "all six: balanced", "auc": "ROC AUC"}
PROBES = {
    "order": "coarse grey thumbnails (which shoe is above)",
    "brightness": "mean and spread of the colours",
    "border": "the outermost pixels",
    "file": "length and extension of the files",
}


class Table(NamedTuple):
    """Rows under a head."""

    key: str  # its place in the page
    caption: str
    head: list[str]
    rows: list[list[str]]
    texts: int = 1  # columns that are words, to the left; the others are numbers, to the right

    @property
    def markdown(self) -> str:
        """The table as Markdown."""
        marks = [":--" if place < self.texts else "--:" for place in range(len(self.head))]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.head, marks, *self.rows))


def batches(found: Facts) -> Table:
    """What was handed in, and what was taken."""
    names = ("files", "accepted", "quarantined", "ignored", "students", "quarantined_students")
    rows = [
        [batch, "drawn" if batch in found.drawn else "photographed", *_counted(got, names)]
        for batch, got in found.validation.items()
    ]
    rows += [["all", "", *_counted(found.total, names)]]
    head = ["batch", "source", "files", "accepted", "set aside", "ignored", "students", "students set aside"]
    return Table("batches", "Files and students of every batch", head, rows, 2)


def splits(found: Facts) -> Table:
    """Who is in which split."""
    names = ("students", "pairs", "pairs_m", "pairs_w", "students_m", "students_w")
    sums = {name: sum(each[name] for each in found.counts.values()) for name in names}
    rows = []
    for name, got in [*((name, found.counts[name]) for name in SPLITS), ("all", sums)]:
        students, *others = _counted(got, names)
        title = f"{SETS[name]} ({name})" if name in SETS else name
        rows.append([title, students, f"{len(SHOES) * got['students']:,}", *others])
    head = ["split", "students", "photos", "pairs", "men's pairs", "women's pairs"]
    head += ["students with men's", "students with women's"]
    return Table("splits", "Students, photos and pairs of shoes of every split", head, rows)


def places(found: Facts) -> Table:
    """Students of every batch in every split."""
    counts = found.split.groupby(["batch", "split"]).size()
    rows = []
    for batch in found.batches:
        numbers = [int(counts.get((batch, name), 0)) for name in SPLITS]
        rows.append([batch, *(f"{number:,}" for number in (*numbers, sum(numbers)))])
    return Table("places", "Students of every batch, by split", ["batch", *SPLITS, "all"], rows)


def sums(found: Facts) -> list[str]:
    """The counts adding up, a sentence each."""
    total = found.total
    students = {name: found.counts[name]["students"] for name in SPLITS}
    return [
        f"{plural(total['files'], 'file')} = {total['accepted']:,} accepted + {total['quarantined']:,} set aside"
        f" + {total['ignored']:,} ignored.",
        f"{total['accepted']:,} accepted photos = {plural(total['students'], 'student')} × {len(SHOES)}.",
        f"{plural(total['students'], 'student')} = "
        + " + ".join(f"{number:,} {name}" for name, number in students.items())
        + ".",
    ]


def set_aside(found: Facts) -> Table:
    """Who is set aside, and why; the first ones."""
    rows = [
        [batch, name, "; ".join(reasons)]
        for batch, got in found.validation.items()
        for name, reasons in got["reasons"].items()
    ]
    caption = _first("Students and files set aside, with the reasons", len(rows))
    return Table("aside", caption, ["batch", "student or file", "why"], rows[:MOST], 3)


def flags(found: Facts) -> Table:
    """Which photos are flagged, and what was changed in others."""
    seen: dict[str, list[str]] = {}
    for batch, got in found.validation.items():
        for sign, paths in got["flags"].items():
            seen.setdefault(sign.replace("_", " "), []).extend(f"{batch}/{path}" for path in paths)
    rows = [[sign, f"{len(paths):,}", _named(paths)] for sign, paths in seen.items()]
    return Table("flags", "Photos that are flagged; flags exclude nobody", ["flag", "photos", "such as"], rows)


def changed(found: Facts) -> str:
    """What was changed in accepted photos."""
    counts: dict[str, int] = {}
    for got in found.validation.values():
        for remark, count in got["changed"].items():
            counts[remark] = counts.get(remark, 0) + int(count)
    return "; ".join(f"{plural(count, 'photo')}: {remark}" for remark, count in counts.items())


def twice(found: Facts) -> Table:
    """Photos that nearly equal another one; each two of them once."""
    rows = []
    for row in found.twice.itertuples():
        one, other = f"{row.batch}/{row.path}", f"{row.other_batch}/{row.other_path}"
        if one < other:
            rows.append([one, other, str(row.bits)])
    caption = _first("Photos that nearly equal each other, within one split", len(rows))
    return Table("twice", caption, ["photo", "other photo", "bits of 256 that differ"], rows[:MOST], 2)


def audit(found: Facts) -> Table:
    """What the probes got that see anything but the match."""
    rows = [
        [name, PROBES.get(name, name), terminal.interval(got, "balanced"), "yes" if got["leaks"] else "no"]
        for name, got in found.audit.items()
    ]
    head = ["probe", "sees of each photo", "balanced accuracy", "beats chance"]
    return Table("audit", "Linear probes that must not tell same from different pairs", head, rows, 2)


def audited(found: Facts) -> str:
    """The audit in words."""
    if not found.audit:
        return "Too few students: no probe was tried, so nothing is known of leaks."
    leaks = [name for name, got in found.audit.items() if got["leaks"]]
    if leaks:
        return (
            f"The label can be read from {', '.join(leaks)}, without looking at the match: no result is to be trusted."
        )
    best = max(float(got["balanced"]) for got in found.audit.values())
    return (
        f"No leak was found: {plural(len(found.audit), 'probe')} that {'see' if len(found.audit) > 1 else 'sees'} "
        f"anything but the match got {percent(best)} at best, where chance is 50%."
    )


def accuracies(found: Facts) -> Table:
    """The accuracies with their intervals, the best model first."""
    rows = [
        [model, SETS[name], str(got["students"]), *(terminal.interval(got, figure) for figure in FIGURES)]
        for model, name, got in terminal.standings(found.details["models"], found.best)
    ]
    head = ["model", "set", "students", *FIGURES.values()]
    return Table("accuracies", "Accuracy of every model, with 95% intervals", head, rows, 2)


def on_the_curve(found: Facts) -> Table:
    """What else stands on the curve, and how well the probabilities are calibrated."""
    rows = [
        [
            model,
            SETS[name],
            *(terminal.interval(got, figure) for figure in CURVE),
            percent(got["ece"]),
            percent(got["ece_calibrated"]),
            f"{found.details['temperatures'][model]:.3g}",
        ]
        for model, name, got in terminal.standings(found.details["models"], found.best)
    ]
    head = ["model", "set", *CURVE.values(), "calibration error", "after scaling", "temperature"]
    return Table("curve", "ROC curve and calibration of every model, over all nine pairs", head, rows, 2)


def differences(found: Facts) -> Table:
    """Every other model minus the baseline, or minus the best one where there is no baseline."""
    base = BASELINE if BASELINE in found.models else found.best
    rows = [
        [model, SETS[entry["set"]], str(entry["students"]), *(terminal.interval(entry, each, "+") for each in GAINS)]
        for model in sorted(found.models, key=lambda name: name != found.best)
        for entry in sorted(metric_names.against(found.details["differences"], model, base), key=_last_valid)
    ]
    head = [f"minus {base}", "set", "students", *GAINS.values()]
    return Table("differences", f"Every model minus {base}, on the same students", head, rows, 2)


def kinds(found: Facts) -> Table:
    """Men's shoes minus women's; no rows where a set has no students."""
    got = {} if "left_out" in found.details["kinds"] else found.details["kinds"]
    rows = [
        [
            model,
            f"{each['students_m']} and {each['students_w']}",
            *(terminal.interval(each, one, "+") for one in GAINS),
        ]
        for model, each in got.items()
    ]
    head = ["model", "students", *GAINS.values()]
    return Table("kinds", "Men's shoes minus women's shoes, different students", head, rows)


def folds(found: Facts) -> Table:
    """What the cross-validation gave."""
    figures = ("positive", "negative_all", "balanced_all", "auc")
    rows = [
        [model, str(got["students"]), *(terminal.interval(got, figure) for figure in figures)]
        for model, got in found.folded.items()
    ]
    head = ["model", "students", "positive", "all six: negative", "all six: balanced", "ROC AUC"]
    return Table("folds", "Cross-validation over the students of training and validation", head, rows)


def trained(found: Facts) -> Table:
    """What was trained, and how."""
    rows = []
    for model in found.models:
        card = found.cards[model]
        recipe, layers = card["recipe"], card["layers"]
        numbers = [f"{card['parameters']:,}", f"{layers['edge']}", str(recipe["epochs"]), f"{recipe['lr']:g}"]
        rows.append([model, *numbers, str(recipe["batch_size"]), str(card["epoch"]["epoch"])])
    head = ["model", "parameters", "photo's edge", "epochs", "step", "batch", "weights of epoch"]
    return Table("trained", "What was trained", head, rows)


def answered(found: Facts) -> Table:
    """How often the best model gives no answer, and how often it is then wrong."""
    rows = []
    for name, got in found.decision.sets.items():
        wrong = "no answers" if got.wrong is None else percent(got.wrong)
        rows.append([SETS[name], percent(1 - got.answered), percent(got.answered), wrong])
    head = ["set", "not sure", "answered", "answers that are wrong"]
    return Table("answered", "Share of the pairs that get no answer", head, rows)


def thresholds(found: Facts) -> str:
    """When the best model answers, in words."""
    made = found.decision
    same = f"same above {_chance(made.same_above)}" if made.same_above < 1 else "nothing same"
    different = f"different below {_chance(made.different_below)}" if made.different_below > 0 else "nothing different"
    return f"{made.model} calls {same} and {different}, and says “not sure” otherwise."


def _last_valid(entry: dict[str, Any]) -> bool:
    return bool(entry["set"] == "valid")


def _chance(value: float) -> str:
    return f"a probability of {100 * value:.4g}%"


def _counted(got: dict[str, Any], names: Iterable[str]) -> list[str]:
    return [f"{got[name]:,}" for name in names]


def _first(caption: str, count: int) -> str:
    return f"{caption}: the first {MOST} of {count:,}" if count > MOST else caption


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more
