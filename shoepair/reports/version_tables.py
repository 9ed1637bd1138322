"""What `diff`, `log` and `experiments` print: changes between dataset versions, the versions, experiments."""

from __future__ import annotations

from typing import Any

from shoepair.data.naming import TEST_SPLITS
from shoepair.data.wording import count_with_noun
from shoepair.reports.terminal_tables import format_value_and_interval
from shoepair.reports.text_tables import Block, TextTable

MAX_NAMED = 6  # students, photos or batches listed per change
NOUNS = {"batches": ("batch", "batches"), "students": ("student", ""), "photos": ("photo", "")}
SIDES = ("before", "after")
NOTHING_CHANGED = "no photo, student or batch changed"
NOT_HERE = "scores are not here"
VERDICT_STYLES = {"clear": "bold green", NOT_HERE: "yellow", "within noise": "dim"}


def dataset_diff_blocks(changes: dict[str, Any], *, as_markdown: bool) -> list[Block]:
    """Return what `shoepair diff` prints: changes of the data set, then the accuracies of both revisions."""
    bullet = "- " if as_markdown else "  "
    lines: list[Block] = [
        f"{'## Dataset' if as_markdown else 'dataset'}: {changes['before']} -> {changes['after']}",
        "",
    ]
    entries = [
        _change_line(what, change, changes[what].get(change, []))
        for what in NOUNS
        for change in ("added", "removed", "changed")
    ]
    entries += [_change_line("students", "in another split", changes["moved"])]
    if changes["salt"]:
        before, after = changes["salt"]
        entries += [f"split.salt changed from {before!r} to {after!r}: all students are split anew"]
    unread = any("data/accepted/" in line for line in changes["missing"])
    unchanged = "photos and students are not compared: their lists are not here" if unread else NOTHING_CHANGED
    lines += [bullet + entry for entry in entries if entry] or [bullet + unchanged]
    if changes["metrics"]:
        head = ["model", "split", *SIDES, "difference", "students", "verdict"]
        rows = [head, *map(_metric_cells, changes["metrics"])]
        lines += ["", TextTable(rows, 2, (2, 3), (5, 2), word_styles=VERDICT_STYLES)]
        lines += ["", "balanced accuracy with 95 % intervals; differences are paired, over the test students of both"]
    if changes["missing"]:
        lines += [
            "",
            "not available here (`dvc pull`, or of older commits `dvc fetch --all-commits`, downloads what a remote "
            f"has{_unpaired_remark(changes)}):",
        ]
        lines += [bullet + line for line in changes["missing"]]
    return lines


def _unpaired_remark(changes: dict[str, Any]) -> str:
    """Return a remark on differences that cannot be computed without what is missing; or ""."""
    is_unpaired = any(metric["difference"] is None for metric in changes["metrics"])
    return "; without the scores of both sides no difference is computed" if is_unpaired else ""


def _change_line(what: str, change: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{count_with_noun(len(names), *NOUNS[what])} {change}: {', '.join(names[:MAX_NAMED])}{more}"


def _metric_cells(metric: dict[str, Any]) -> list[str]:
    sides = ["-" if metric[side] is None else format_value_and_interval(metric[side], "balanced") for side in SIDES]
    paired = metric["difference"]
    if paired is None:
        unmeasured = [side for side in SIDES if metric[side] is None]
        reason = f"not evaluated {unmeasured[0]}" if unmeasured else NOT_HERE if metric["lacks_scores"] else ""
        return [metric["model"], metric["split"], *sides, "-", "-", reason or "no shared students"]
    verdict = "clear" if paired["clear"] else "within noise"
    gain = format_value_and_interval(paired, "balanced", "+")
    return [metric["model"], metric["split"], *sides, gain, str(paired["students"]), verdict]


def dataset_log_table(entries: list[dict[str, Any]]) -> TextTable:
    """Return what `shoepair log` prints: a row per data set version, newest first."""
    cells = [["commit", "date", "change", "subject", "students", "photos", "best model", *TEST_SPLITS]]
    for entry in entries:
        signs = {"+": "added", "-": "removed", "~": "changed"}
        change = " ".join(sign + batch for sign, key in signs.items() for batch in entry[key])
        best = entry["best"]
        shares = [f"{best[name]:.1%}" if name in best else "-" for name in TEST_SPLITS]
        numbers = ["-" if entry[name] is None else f"{entry[name]:,}" for name in ("students", "photos")]
        texts = [entry["commit"], entry["date"], change, entry["subject"][:50]]
        cells.append([*texts, *numbers, best.get("model", "-"), *shares])
    return TextTable(cells, 4, optional=(5, 1, 6), wrapped=3)


def experiments_table(entries: list[dict[str, Any]]) -> TextTable:
    """Return what `shoepair experiments` prints: a row per experiment, with the parameters that differ."""
    splits = ("valid", *TEST_SPLITS)
    cells = [["experiment", "parameters", "best model", *splits]]
    for entry in entries:
        values = " ".join(f"{key}={_number_text(value)}" for key, value in entry["parameters"].items())
        shares = [entry["accuracies"][split] for split in splits]
        percents = ["-" if share is None else f"{share:.1%}" for share in shares]
        cells.append([entry["name"], values, entry["model"] or "not evaluated", *percents])
    return TextTable(cells, 3, optional=(5, 4), wrapped=1)


def _number_text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
