"""Tables that commands print, aligned for a terminal or, with `as_markdown`, for a pull request.

Imports no slow library: tables do not wait for torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shoepair.evaluation.metric_names import BASELINE_MODEL, differences_against, interval_names
from shoepair.reports.formatting import VALIDATION_COUNT_NAMES, markdown_table
from shoepair.runtime.errors import escape_unprintable

if TYPE_CHECKING:
    import pandas as pd

MAX_NAMED = 6  # students, photos or files listed per change or command
MAX_LISTED_FILES = 5  # of one folder listed by a purge, one by one
ROC_METRICS = ("auc", "eer", "tpr_1", "tpr_5")
METRIC_TITLES = {
    "positive": "positive",
    "negative": "negative",
    "balanced": "balanced",
    "negative_all": "all six: negative",
    "balanced_all": "all six: balanced",
}
DIFFERENCE_TITLES = {"balanced": "balanced", "balanced_all": "all six: balanced", "auc": "ROC AUC"}
CV_DIFFERENCE_TITLES = {"above_histogram": "above the histogram", "above_first": "above the first tried"}


def evaluation_text(details: dict[str, Any]) -> str:
    """Format all evaluation results as text tables: what `comparison.compare_models` returns."""
    best = str(details["best"])
    parts = [
        accuracy_text(details["models"], best),
        roc_and_calibration_text(details),
        difference_text(details["differences"], BASELINE_MODEL if BASELINE_MODEL in details["models"] else best),
        men_vs_women_text(details["kinds"]),
        "intervals are 95 %, by bootstrap over students; below about 10 students they are only rough",
        f"best by validation accuracy: {best}\n{details['verdict']['text']}",
    ]
    return "\n\n".join(part for part in parts if part)


def accuracy_text(metrics_by_model: dict[str, Any], best_model: str) -> str:
    """Format the accuracies with intervals as text: a row per model and split, the best model first."""
    cells = [["model", "split", "positive", "negative", "balanced", "all six: negative", "balanced"]]
    cells += [
        [model, split, *format_values_and_intervals(stats, METRIC_TITLES)]
        for model, split, stats in iter_best_model_first(metrics_by_model, best_model)
    ]
    return align_columns(cells, text_columns=2)


def roc_and_calibration_text(details: dict[str, Any]) -> str:
    """Format ROC metrics and calibration of every model and split as text, the best model first."""
    head = ["model", "split", "ROC AUC", "equal error", "TPR at 1 % FPR", "at 5 %", "ECE", "calibrated", "temp."]
    return align_columns([head, *roc_and_calibration_rows(details, {})], text_columns=2)


def roc_and_calibration_rows(details: dict[str, Any], split_titles: Mapping[str, str]) -> list[list[str]]:
    """Return the cells of `roc_and_calibration_text`, a row per model and split; untitled splits keep their name."""
    rows = []
    for model, split, stats in iter_best_model_first(details["models"], details["best"]):
        errors = [f"{stats[name]:.1%}" for name in ("ece", "ece_calibrated")]
        temperature = f"{details['temperatures'][model]:.3g}"
        title = split_titles.get(split, split)
        rows.append([model, title, *format_values_and_intervals(stats, ROC_METRICS), *errors, temperature])
    return rows


def difference_text(differences: list[dict[str, Any]], reference_model: str) -> str:
    """Format every model's difference to a reference model as text; "" if there is only one model."""
    models = dict.fromkeys(entry[side] for entry in differences for side in ("against", "model"))
    cells = [
        [model, entry["split"], str(entry["students"]), *format_values_and_intervals(entry, DIFFERENCE_TITLES, "+")]
        for model in models
        for entry in differences_against(differences, model, reference_model)
    ]
    head = [f"minus {reference_model}", "split", "students", *DIFFERENCE_TITLES.values()]
    return align_columns([head, *cells], text_columns=2) if cells else ""


def men_vs_women_text(differences: dict[str, Any]) -> str:
    """Format men's minus women's shoes as text, a row per model; or why they are not compared."""
    if "left_out" in differences:
        return f"men's and women's shoes are not compared: {differences['left_out']}"
    head = ["test_m - test_w", "students", *DIFFERENCE_TITLES.values()]
    return align_columns([head, *men_vs_women_rows(differences)], text_columns=1)


def men_vs_women_rows(differences: dict[str, Any]) -> list[list[str]]:
    """Return the cells of `men_vs_women_text`, a row per model; none if a test split is empty."""
    return [
        [
            model,
            f"{stats['students_m']} and {stats['students_w']}",
            *format_values_and_intervals(stats, DIFFERENCE_TITLES, "+"),
        ]
        for model, stats in differences.items()
        if model != "left_out"
    ]


def cv_text(cv_metrics: dict[str, Any]) -> str:
    """Format cross-validation metrics as text, the best model first."""
    differences = [name for name in CV_DIFFERENCE_TITLES if any(name in stats for stats in cv_metrics.values())]
    cells = [["model", "students", "positive", "negative", "balanced", "ROC AUC"]]
    cells[0] += [CV_DIFFERENCE_TITLES[name] for name in differences]
    for model, stats in sorted(cv_metrics.items(), key=lambda item: -float(item[1]["balanced_all"])):
        gains = [
            format_value_and_interval(stats[name], "balanced_all", "+") if name in stats else "-"
            for name in differences
        ]
        cells.append([*cv_row(model, stats), *gains])
    return align_columns(cells, text_columns=1)


def cv_row(model: str, metrics: dict[str, Any]) -> list[str]:
    """Return the cells of one model's cross-validation metrics: model, students, intervals."""
    intervals = format_values_and_intervals(metrics, ("positive", "negative_all", "balanced_all", "auc"))
    return [model, str(metrics["students"]), *intervals]


def iter_best_model_first(
    metrics_by_model: dict[str, Any], best_model: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield model, split and metrics: the best model first, test splits before valid."""
    for model in sorted(metrics_by_model, key=lambda name: name != best_model):
        for split, stats in sorted(metrics_by_model[model].items(), key=lambda item: item[0] == "valid"):
            yield model, split, stats


def format_values_and_intervals(metrics: dict[str, float], metric_names: Iterable[str], sign: str = "") -> list[str]:
    """Format several metrics with their intervals, in percent."""
    return [format_value_and_interval(metrics, name, sign) for name in metric_names]


def format_value_and_interval(metrics: dict[str, float], metric_name: str, sign: str = "") -> str:
    """Format one metric with its interval, in percent: "87.5% (80.1 to 92.3)"; `sign` is "+" for a difference."""
    value, low, high = (metrics[name] for name in interval_names(metric_name))
    return f"{value:{sign}.1%} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


def batch_text(overview: pd.DataFrame) -> str:
    """Format the batches and their totals as text; "-" where a number is not known yet."""
    total: dict[str, Any] = {"batch": "all", "source": ""}
    total |= {str(name): int(overview[name].sum()) for name in overview.columns[len(total) :]}
    rows: list[dict[Any, Any]] = [*overview.to_dict("records"), total]
    return align_columns([list(total), *([_format_cell(row[name]) for name in total] for row in rows)], text_columns=2)


def align_columns(rows: list[list[str]], text_columns: int) -> str:
    """Align rows of cells in columns: the first `text_columns` left, the numbers right."""
    padded = []
    for index, column in enumerate(zip(*rows, strict=True)):
        width = max(map(len, column))
        padded.append([cell.ljust(width) if index < text_columns else cell.rjust(width) for cell in column])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))


def _format_cell(value: Any) -> str:
    import pandas as pd  # imported late: only tables of pandas have such cells

    return "-" if pd.isna(value) else f"{value:,}" if isinstance(value, int) else str(value)


def list_validation_detail_lines(validation_report: dict[str, Any]) -> list[str]:
    """Return lines on who is quarantined and why, what was changed, and which photos are flagged."""
    lines = [f"quarantined: {line}" for reasons in validation_report["reasons"].values() for line in reasons]
    changed = [f"{count} photos: {remark}" for remark, count in validation_report["changed"].items()]
    flagged = [
        f"{flag.replace('_', ' ')}: {path}" for flag, paths in validation_report["flags"].items() for path in paths
    ]
    return [*dict.fromkeys(lines), *changed, *flagged]


def subsets_line(accepted_photos: pd.DataFrame) -> str:
    """Return a line that says how many students each folder gives: photos without a folder count as train."""
    counts = accepted_photos.groupby("subset")["student"].nunique()
    return f"students: {', '.join(f'{count} {subset}' for subset, count in counts.items())}"


def ignored_lines(file_paths: Sequence[str]) -> list[str]:
    """Return a line that names the ignored files of a new batch, the first ones of many; [] if there are none."""
    more = f" and {len(file_paths) - MAX_NAMED} more" if len(file_paths) > MAX_NAMED else ""
    return [f"ignored, not copied: {', '.join(file_paths[:MAX_NAMED])}{more}"] if file_paths else []


def list_drift_lines(shifts: list[Any]) -> list[str]:
    """Return lines on how a new batch differs from the existing ones; [] if there is nothing to compare."""
    lines = [
        f"drift: {shift.measure} {shift.new_value:.2f}, in the existing batches {shift.existing_value:.2f}"
        f" (distance {shift.distance:.2f}, p {shift.p_value:.1g}): check some photos before you continue"
        for shift in shifts
        if shift.is_shifted
    ]
    unchanged = [shift.measure for shift in shifts if not shift.is_shifted]
    return [*lines, *([f"no drift in {', '.join(unchanged)}"] if unchanged else [])]


def validation_text(reports: list[dict[str, Any]], totals: dict[str, int], *, as_markdown: bool) -> str:
    """Format what `shoepair validate` prints: the counts of every batch, then its errors and flags."""
    rows: list[dict[str, Any]] = [*reports, {"batch": "all", **totals}]
    cells = [["batch", "files", "accepted", "quarantined", "ignored", "students", "quarantined students"]]
    cells += [[str(row["batch"]), *(f"{row[name]:,}" for name in VALIDATION_COUNT_NAMES)] for row in rows]
    lines = [_markdown_or_aligned(cells, 1, as_markdown=as_markdown)]
    for report in reports:
        details = list_validation_detail_lines(report)
        lines += ["", f"### {report['batch']}" if as_markdown else f"{report['batch']}:"] if details else []
        lines += [f"- `{line}`" if as_markdown else f"  {line}" for line in details]
    return "\n".join(lines)


def suspect_text(suspects: list[dict[Any, Any]]) -> str:
    """Format `LabelIssues` rows as text, as `shoepair suspects` prints them."""
    head = ["batch", "student", "reason", "rank", "issue_probability", "mispaired", "swapped", "not a shoe"]
    shares = ("issue_probability", "mispaired", "swapped", "not_a_shoe")
    cells = [[*(str(row[name]) for name in head[:4]), *(f"{row[name]:.1%}" for name in shares)] for row in suspects]
    return align_columns([head, *cells], text_columns=3) if suspects else "too few students for a ranking"


def purge_plan_lines(plan: Any) -> list[str]:
    """Return lines on what `shoepair forget --purge` deletes: counts by place, and paths where these say something."""
    lines = []
    for place in sorted({place for place, _ in plan.counts}):
        kinds = sorted((kind, count) for (where, kind), count in plan.counts.items() if where == place)
        lines.append(f"  {place}: {', '.join(f'{count:,} x {kind}' for kind, count in kinds)}")
        if place != "DVC's cache":  # there the paths are digests
            names = [str(finding.path) for finding in plan.doomed if finding.place == place]
            lines += [f"    {escape_unprintable(name)}" for name in names]
    return ["to delete:", *(lines or ["  nothing"]), *(f"note: {warning}" for warning in plan.warnings)]


def purge_remains_lines(plan: Any) -> list[str]:
    """Return lines on what a purge leaves, and on what is out of its reach."""
    lines = _grouped_by_folder(plan.unproven)
    if lines:
        reason = "nothing proves it theirs, or only you can delete it"
        lines = [f"left, since {reason}; look, and delete it or move it out of the project:", *lines]
    return [*lines, "out of reach:", *(f"  {line}" for line in plan.remaining)]


def _grouped_by_folder(findings: list[Any]) -> list[str]:
    """Return a line per finding; one for all of a folder where there are many of one kind."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for finding in findings:
        key = (escape_unprintable(str(finding.path.parent)), finding.kind, finding.reason)
        groups.setdefault(key, []).append(escape_unprintable(str(finding.path)))
    lines = []
    for (folder, kind, reason), names in groups.items():
        if len(names) > MAX_LISTED_FILES:
            lines.append(f"  {folder}/: {len(names):,} x {kind}: {reason}")
        else:
            lines += [f"  {name}: {kind}: {reason}" for name in names]
    return lines


def dataset_diff_text(changes: dict[str, Any], *, as_markdown: bool) -> str:
    """Format what `shoepair diff` prints: changes of the data set, then the accuracies of both revisions."""
    bullet = "- " if as_markdown else "  "
    lines = [f"{'## Dataset' if as_markdown else 'dataset'}: {changes['before']} -> {changes['after']}", ""]
    entries = [
        _change_line(what, change, changes[what].get(change, []))
        for what in ("batches", "students", "photos")
        for change in ("added", "removed", "changed")
    ]
    entries += [_change_line("students", "in another split", changes["moved"])]
    if changes["salt"]:
        before, after = changes["salt"]
        entries += [f"split.salt changed from {before!r} to {after!r}: all students are split anew"]
    lines += [bullet + entry for entry in entries if entry] or [f"{bullet}no photo, student or batch changed"]
    if changes["metrics"]:
        head = ["model", "split", "before", "after", "difference", "students", "verdict"]
        rows = [head, *map(_metric_cells, changes["metrics"])]
        lines += ["", _markdown_or_aligned(rows, 2, as_markdown=as_markdown)]
        lines += ["", "balanced accuracy with 95 % intervals; differences are paired, over the test students of both"]
    if changes["missing"]:
        lines += ["", "not available here (`dvc fetch --all-commits` downloads what a remote has):"]
        lines += [bullet + line for line in changes["missing"]]
    return "\n".join(lines)


def _change_line(what: str, change: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{len(names)} {what} {change}: {', '.join(names[:MAX_NAMED])}{more}"


def _metric_cells(metric: dict[str, Any]) -> list[str]:
    sides = [
        "-" if metric[side] is None else format_value_and_interval(metric[side], "balanced")
        for side in ("before", "after")
    ]
    paired = metric["difference"]
    if paired is None:
        return [metric["model"], metric["split"], *sides, "-", "0", "no shared students"]
    verdict = "clear" if paired["clear"] else "too few students" if paired["few"] else "within noise"
    gain = format_value_and_interval(paired, "balanced", "+")
    return [metric["model"], metric["split"], *sides, gain, str(paired["students"]), verdict]


def dataset_log_text(entries: list[dict[str, Any]], *, as_markdown: bool) -> str:
    """Format what `shoepair log` prints: a line per data set version, newest first."""
    cells = [["commit", "date", "change", "subject", "students", "photos", "best model", "test_m", "test_w"]]
    for entry in entries:
        signs = {"+": "added", "-": "removed", "~": "changed"}
        change = " ".join(sign + batch for sign, key in signs.items() for batch in entry[key])
        best = entry["best"]
        shares = [f"{best[name]:.1%}" if name in best else "-" for name in ("test_m", "test_w")]
        numbers = ["-" if entry[name] is None else f"{entry[name]:,}" for name in ("students", "photos")]
        texts = [entry["commit"], entry["date"], change, entry["subject"][:50]]
        cells.append([*texts, *numbers, best.get("model", "-"), *shares])
    return _markdown_or_aligned(cells, 4, as_markdown=as_markdown)


def _markdown_or_aligned(rows: list[list[str]], text_columns: int, *, as_markdown: bool) -> str:
    return markdown_table(rows, text_columns) if as_markdown else align_columns(rows, text_columns)
