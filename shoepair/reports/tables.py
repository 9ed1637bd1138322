"""The tables of the page and of the cards, and what each says in words.

A table is rows of texts: the page shows it as HTML, the cards as Markdown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from shoepair.data.naming import SHOES, SPLITS
from shoepair.evaluation.metric_names import against
from shoepair.reports.format import COUNTS, SETS, markdown, plural
from shoepair.reports.results import Facts
from shoepair.reports.terminal import FIGURES, GAINS, fold_row, interval, intervals, kind_rows, score_rows, standings

MOST = 40  # rows of a list of faults or of near-duplicates
NAMED = 3  # photos named of each flag
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
        return markdown([self.head, *self.rows], self.texts)


def batches(found: Facts) -> Table:
    """What was handed in, and what was taken."""
    rows = [
        [batch, "drawn" if batch in found.drawn else "photographed", *_counted(got, COUNTS)]
        for batch, got in found.validation.items()
    ]
    rows += [["all", "", *_counted(found.total, COUNTS)]]
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
    dealt = " + ".join(f"{found.counts[name]['students']:,} {name}" for name in SPLITS)
    return [
        f"{plural(total['files'], 'file')} = {total['accepted']:,} accepted + {total['quarantined']:,} set aside"
        f" + {total['ignored']:,} ignored.",
        f"{total['accepted']:,} accepted photos = {plural(total['students'], 'student')} × {len(SHOES)}.",
        f"{plural(total['students'], 'student')} = {dealt}.",
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
    counts: Counter[str] = Counter()
    for got in found.validation.values():
        counts.update(got["changed"])
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
        [name, PROBES.get(name, name), interval(got, "balanced"), "yes" if got["leaks"] else "no"]
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
        seen = ", ".join(leaks)
        return f"The label can be read from {seen}, without looking at the match: no result is to be trusted."
    best = max(float(got["balanced"]) for got in found.audit.values())
    return (
        f"No leak was found: {plural(len(found.audit), 'probe')} that {'see' if len(found.audit) > 1 else 'sees'} "
        f"anything but the match got {best:.1%} at best, where chance is 50%."
    )


def accuracies(found: Facts) -> Table:
    """The accuracies with their intervals, the best model first."""
    rows = [
        [model, SETS[name], str(got["students"]), *intervals(got, FIGURES)]
        for model, name, got in standings(found.details["models"], found.best)
    ]
    head = ["model", "set", "students", *FIGURES.values()]
    return Table("accuracies", "Accuracy of every model, with 95% intervals", head, rows, 2)


def on_the_curve(found: Facts) -> Table:
    """What else stands on the curve, and how well the probabilities are calibrated."""
    head = ["model", "set", "ROC AUC", "equal error", "TPR at 1 % FPR", "TPR at 5 % FPR"]
    head += ["calibration error", "after scaling", "temperature"]
    caption = "ROC curve and calibration of every model, over all nine pairs"
    return Table("curve", caption, head, score_rows(found.details, SETS), 2)


def differences(found: Facts) -> Table:
    """Every other model minus the baseline, or minus the best one where there is no baseline."""
    rows = [
        [model, SETS[entry["set"]], str(entry["students"]), *intervals(entry, GAINS, "+")]
        for model in sorted(found.models, key=lambda name: name != found.best)
        for entry in sorted(
            against(found.details["differences"], model, found.base), key=lambda entry: entry["set"] == "valid"
        )
    ]
    head = [f"minus {found.base}", "set", "students", *GAINS.values()]
    return Table("differences", f"Every model minus {found.base}, on the same students", head, rows, 2)


def kinds(found: Facts) -> Table:
    """Men's shoes minus women's; no rows where a set has no students."""
    head = ["model", "students", *GAINS.values()]
    rows = kind_rows(found.details["kinds"])
    return Table("kinds", "Men's shoes minus women's shoes, different students", head, rows)


def folds(found: Facts) -> Table:
    """What the cross-validation gave."""
    rows = [fold_row(model, got) for model, got in found.folded.items()]
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
        wrong = "no answers" if got.wrong is None else f"{got.wrong:.1%}"
        rows.append([SETS[name], f"{1 - got.answered:.1%}", f"{got.answered:.1%}", wrong])
    head = ["set", "not sure", "answered", "answers that are wrong"]
    return Table("answered", "Share of the pairs that get no answer", head, rows)


def thresholds(found: Facts) -> str:
    """When the best model answers, in words."""
    made = found.decision
    same = f"same above {_chance(made.same_above)}" if made.same_above < 1 else "nothing same"
    different = f"different below {_chance(made.different_below)}" if made.different_below > 0 else "nothing different"
    return f"{made.model} calls {same} and {different}, and says “not sure” otherwise."


def _chance(value: float) -> str:
    return f"a probability of {100 * value:.4g}%"


def _counted(got: dict[str, Any], names: Iterable[str]) -> list[str]:
    return [f"{got[name]:,}" for name in names]


def _first(caption: str, count: int) -> str:
    return f"{caption}: the first {MOST} of {count:,}" if count > MOST else caption


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more
