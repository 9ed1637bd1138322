"""Numbers -> the tables that commands print; with `md` as Markdown, for a pull request, else for a terminal.

Imports nothing slow: a table must not wait for torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from shoepair.evaluation.metric_names import BASELINE, ENDS, against
from shoepair.reports.format import COUNTS, markdown

NAMED = 6  # students or photos of each kind of change
CURVE = ("auc", "eer", "tpr_1", "tpr_5")
FIGURES = {
    "positive": "positive",
    "negative": "negative",
    "balanced": "balanced",
    "negative_all": "all six: negative",
    "balanced_all": "all six: balanced",
}
GAINS = {"balanced": "balanced", "balanced_all": "all six: balanced", "auc": "ROC AUC"}  # COMPARED, as headings
BESIDE = {"above_histogram": "above the histogram", "above_first": "above the first tried"}  # in a cross-validation


def text(details: dict[str, Any]) -> str:
    """All that was measured, as tables: what `comparison.assess` returns and `metrics/details.json` holds."""
    best = str(details["best"])
    parts = [
        accuracy_table(details["models"], best),
        score_table(details),
        difference_table(details["differences"], BASELINE if BASELINE in details["models"] else best),
        kind_table(details["kinds"]),
        "intervals are 95 %, by bootstrap over students; with fewer than about 10 students take them as hints",
        f"best by validation accuracy: {best}\n{details['verdict']['text']}",
    ]
    return "\n\n".join(part for part in parts if part)


def accuracy_table(models: dict[str, Any], best: str) -> str:
    """The accuracies of `metrics.evaluate`, percent, with intervals: a row per model and set, the best model first."""
    cells = [["model", "set", "positive", "negative", "balanced", "all six: negative", "balanced"]]
    cells += [[model, name, *intervals(got, FIGURES)] for model, name, got in standings(models, best)]
    return aligned(cells, texts=2)


def score_table(details: dict[str, Any]) -> str:
    """The curve and the calibration of every model on every set, the best first; over all six different pairs."""
    head = ["model", "set", "ROC AUC", "equal error", "TPR at 1 % FPR", "at 5 %", "ECE", "calibrated", "temp."]
    return aligned([head, *score_rows(details, {})], texts=2)


def score_rows(details: dict[str, Any], sets: Mapping[str, str]) -> list[list[str]]:
    """The cells of `score_table`, of what `comparison.assess` returns; a set without a title goes by its name."""
    rows = []
    for model, name, got in standings(details["models"], details["best"]):
        errors = [f"{got[figure]:.1%}" for figure in ("ece", "ece_calibrated")]
        temperature = f"{details['temperatures'][model]:.3g}"
        rows.append([model, sets.get(name, name), *intervals(got, CURVE), *errors, temperature])
    return rows


def difference_table(differences: list[dict[str, Any]], base: str) -> str:
    """Every other model minus `base` (`comparison.differences`), by set; nothing where there is one model alone."""
    models = dict.fromkeys(entry[side] for entry in differences for side in ("against", "model"))
    cells = [
        [model, entry["set"], str(entry["students"]), *intervals(entry, GAINS, "+")]
        for model in models
        for entry in against(differences, model, base)
    ]
    return aligned([[f"minus {base}", "set", "students", *GAINS.values()], *cells], texts=2) if cells else ""


def kind_table(kinds: dict[str, Any]) -> str:
    """Men's shoes minus women's, a row per model; or why there is no such table."""
    if "left_out" in kinds:
        return f"men's and women's shoes are not compared: {kinds['left_out']}"
    return aligned([["test_m - test_w", "students", *GAINS.values()], *kind_rows(kinds)], texts=1)


def kind_rows(kinds: dict[str, Any]) -> list[list[str]]:
    """The cells of `kind_table`; none where a set has no students."""
    return [
        [model, f"{got['students_m']} and {got['students_w']}", *intervals(got, GAINS, "+")]
        for model, got in kinds.items()
        if model != "left_out"
    ]


def fold_table(found: dict[str, Any]) -> str:
    """What a cross-validation gave (`crossval.summary`): the best first, over all six different pairs."""
    beside = [(name, head) for name, head in BESIDE.items() if any(name in got for got in found.values())]
    cells = [["model", "students", "positive", "negative", "balanced", "ROC AUC", *(head for _, head in beside)]]
    for model, got in sorted(found.items(), key=lambda item: -float(item[1]["balanced_all"])):
        gains = [interval(got[name], "balanced_all", "+") if name in got else "-" for name, _ in beside]
        cells.append([*fold_row(model, got), *gains])
    return aligned(cells, texts=1)


def fold_row(model: str, got: dict[str, Any]) -> list[str]:
    """Model, students and intervals of one cross-validation."""
    return [model, str(got["students"]), *intervals(got, ("positive", "negative_all", "balanced_all", "auc"))]


def standings(models: dict[str, Any], best: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields model, set and what was measured: the best model first, tests before valid."""
    for model in sorted(models, key=lambda name: name != best):
        for name, got in sorted(models[model].items(), key=lambda item: item[0] == "valid"):
            yield model, name, got


def intervals(got: dict[str, float], figures: Iterable[str], sign: str = "") -> list[str]:
    """`interval` of each of the figures."""
    return [interval(got, figure, sign) for figure in figures]


def interval(got: dict[str, float], figure: str, sign: str = "") -> str:
    """A figure of `metrics.named` and its interval, percent; `sign` is "+" for a difference."""
    low, high = ENDS.get(figure, (f"{figure}_low", f"{figure}_high"))
    return f"{got[figure]:{sign}.1%} ({100 * got[low]:{sign}.1f} to {100 * got[high]:{sign}.1f})"


def batch_table(overview: pd.DataFrame) -> str:
    """The batches of `overview.overview`, and their sums; a dash where a number is not known yet."""
    total: dict[str, Any] = {"batch": "all", "source": ""}
    total |= {str(name): int(overview[name].sum()) for name in overview.columns[len(total) :]}
    rows: list[dict[Any, Any]] = [*overview.to_dict("records"), total]
    return aligned([list(total), *([_cell(row[name]) for name in total] for row in rows)], texts=2)


def aligned(lines: list[list[str]], texts: int) -> str:
    """Rows of cells as a table: the first columns, which are texts, to the left, the numbers to the right."""
    padded = []
    for place, column in enumerate(zip(*lines, strict=True)):
        width = max(map(len, column))
        padded.append([cell.ljust(width) if place < texts else cell.rjust(width) for cell in column])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))


def _cell(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:,}" if isinstance(value, int) else str(value)


def quarantine_lines(validation: dict[str, Any]) -> list[str]:
    """Of a batch's report: who and what is set aside, and why; what was changed in photos, and which are flagged."""
    lines = [f"set aside: {line}" for reasons in validation["reasons"].values() for line in reasons]
    changed = [f"{count} photos: {remark}" for remark, count in validation["changed"].items()]
    flagged = [f"{sign.replace('_', ' ')}: {path}" for sign, paths in validation["flags"].items() for path in paths]
    return [*dict.fromkeys(lines), *changed, *flagged]


def drift_lines(shifts: list[Any]) -> list[str]:
    """How a new batch looks beside those that are there (`drift.compare`); nothing where there are none."""
    odd = [
        f"drift: {each.measure} {each.here:.2f} here, {each.there:.2f} in the batches that are there"
        f" (distance {each.distance:.2f}, p {each.p:.1g}): look at some photos before you go on"
        for each in shifts
        if each.shifted
    ]
    alike = [each.measure for each in shifts if not each.shifted]
    return [*odd, *([f"no drift in {', '.join(alike)}"] if alike else [])]


def validation_text(reports: list[dict[str, Any]], total: dict[str, int], *, md: bool) -> str:
    """What `shoepair validate` prints: the counts of every batch, their sums by `rules.totals`, then every fault."""
    rows: list[dict[str, Any]] = [*reports, {"batch": "all", **total}]
    cells = [["batch", "files", "accepted", "quarantined", "ignored", "students", "set aside"]]
    cells += [[str(row["batch"]), *(f"{row[name]:,}" for name in COUNTS)] for row in rows]
    lines = [_table(cells, 1, md=md)]
    for each in reports:
        told = quarantine_lines(each)
        lines += ["", f"### {each['batch']}" if md else f"{each['batch']}:"] if told else []
        lines += [f"- `{line}`" if md else f"  {line}" for line in told]
    return "\n".join(lines)


def suspect_table(rows: list[dict[Any, Any]]) -> str:
    """What `shoepair suspects` prints of `Suspects` rows."""
    head = ["batch", "student", "why", "rank", "suspicion", "mispaired", "swapped", "not a shoe"]
    chances = ("suspicion", "mispaired", "swapped", "not_a_shoe")
    cells = [[*(str(row[name]) for name in head[:4]), *(f"{row[name]:.1%}" for name in chances)] for row in rows]
    return aligned([head, *cells], texts=3) if rows else "too few students: nobody is ranked"


def purge_lines(purged: Any) -> list[str]:
    """What `shoepair forget --purge` did, and what it could not reach."""
    parts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(purged.deleted.items()) if count]
    done = f"deleted from the cache: {', '.join(parts) or 'nothing, it held no more'} ({purged.bytes:,} bytes)"
    return [done, "remains:", *(f"  {line}" for line in purged.remains)]


def diff_text(changes: dict[str, Any], *, md: bool) -> str:
    """What `shoepair diff` prints of `versions.compare`: the dataset's changes, then the accuracies on both sides."""
    bullet = "- " if md else "  "
    lines = [f"{'## Dataset' if md else 'dataset'}: {changes['before']} -> {changes['after']}", ""]
    facts = [
        _fact(what, kind, changes[what].get(kind, []))
        for what in ("batches", "students", "photos")
        for kind in ("added", "removed", "changed")
    ]
    facts += [_fact("students", "in another split", changes["moved"])]
    if changes["salt"]:
        facts += [f"split.salt {changes['salt'][0]!r} became {changes['salt'][1]!r}, which deals everybody anew"]
    told = [fact for fact in facts if fact] or ["no photo, student or batch changed"]
    lines += [bullet + fact for fact in told]
    if changes["metrics"]:
        head = ["model", "set", "before", "after", "difference", "students", "verdict"]
        lines += ["", _table([head, *map(_metric_cells, changes["metrics"])], 2, md=md)]
        lines += ["", "balanced accuracy with 95 % intervals; differences are paired, over the test students of both"]
    if changes["missing"]:
        lines += ["", "not in reach (`dvc fetch --all-commits` brings what a remote has):"]
        lines += [bullet + line for line in changes["missing"]]
    return "\n".join(lines)


def _fact(what: str, done: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} {what} {done}: {', '.join(names[:NAMED])}{more}"


def _metric_cells(metric: dict[str, Any]) -> list[str]:
    sides = ["-" if metric[side] is None else interval(metric[side], "balanced") for side in ("before", "after")]
    paired = metric["difference"]
    if paired is None:
        return [metric["model"], metric["set"], *sides, "-", "0", "no shared students"]
    verdict = "clear" if paired["clear"] else "too few students" if paired["few"] else "within noise"
    gain = interval(paired, "balanced", "+")
    return [metric["model"], metric["set"], *sides, gain, str(paired["students"]), verdict]


def log_text(entries: list[dict[str, Any]], *, md: bool) -> str:
    """What `shoepair log` prints of `versions.log`: a line per dataset version, newest first."""
    cells = [["commit", "date", "change", "subject", "students", "photos", "best model", "test_m", "test_w"]]
    for entry in entries:
        signs = (("+", "added"), ("-", "removed"), ("~", "changed"))
        change = " ".join(sign + batch for sign, kind in signs for batch in entry[kind])
        best = entry["best"]
        shares = [f"{best[name]:.1%}" if name in best else "-" for name in ("test_m", "test_w")]
        numbers = ["-" if entry[name] is None else f"{entry[name]:,}" for name in ("students", "photos")]
        texts = [entry["commit"], entry["date"], change, entry["subject"][:50]]
        cells.append([*texts, *numbers, best.get("model", "-"), *shares])
    return _table(cells, 4, md=md)


def _table(cells: list[list[str]], texts: int, *, md: bool) -> str:
    return markdown(cells, texts) if md else aligned(cells, texts)
