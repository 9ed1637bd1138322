"""What commands on batches print: batches, validation, drift, suspects, purges.

Imports no slow library: tables do not wait for torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shoepair.data.wording import count_with_noun
from shoepair.reports.formatting import VALIDATION_COUNT_NAMES
from shoepair.reports.text_tables import Block, TextTable
from shoepair.runtime.errors import escape_unprintable

if TYPE_CHECKING:
    import pandas as pd

MAX_NAMED = 6  # files listed per command
MAX_LISTED_FILES = 5  # of one folder listed by a purge, one by one
BAD = "bold red"  # how a terminal shows a number that should be 0
BATCH_TITLES = {"men": "men's only", "women": "women's only"}


def batch_table(overview: pd.DataFrame) -> TextTable:
    """Return the batches and their totals; "-" where a number is not known yet."""
    total: dict[str, Any] = {"batch": "all", "source": ""}
    total |= {str(name): int(overview[name].sum()) for name in overview.columns[len(total) :]}
    titles = [BATCH_TITLES.get(name, name) for name in total]
    rows: list[dict[Any, Any]] = [*overview.to_dict("records"), total]
    cells = [titles, *([_format_cell(row[name]) for name in total] for row in rows)]
    place = list(total).index
    optional = (place("source"), place("bytes"), place("photos"))
    return TextTable(cells, 2, optional=optional, bold_rows=frozenset({len(rows)}), styles={place("quarantined"): BAD})


def _format_cell(value: Any) -> str:
    import pandas as pd  # imported late: only tables of pandas have such cells

    return "-" if pd.isna(value) else f"{value:,}" if isinstance(value, int) else str(value)


def list_validation_detail_lines(validation_report: dict[str, Any]) -> list[str]:
    """Return lines on who is quarantined and why, what was changed, and which photos are flagged."""
    lines = [f"quarantined: {line}" for reasons in validation_report["reasons"].values() for line in reasons]
    changed = [
        f"{count_with_noun(count, 'photo')}: {remark}" for remark, count in validation_report["changed"].items()
    ]
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


def validation_blocks(reports: list[dict[str, Any]], totals: dict[str, int], *, as_markdown: bool) -> list[Block]:
    """Return what `shoepair validate` prints: the counts of every batch, then its errors and flags."""
    rows: list[dict[str, Any]] = [*reports, {"batch": "all", **totals}]
    cells = [["batch", "files", "accepted", "quarantined", "ignored", "students", "quarantined students"]]
    cells += [[str(row["batch"]), *(f"{row[name]:,}" for name in VALIDATION_COUNT_NAMES)] for row in rows]
    lines: list[Block] = [
        TextTable(cells, 1, optional=(4, 1), bold_rows=frozenset({len(rows)}), styles={3: BAD, 6: BAD})
    ]
    for report in reports:
        details = list_validation_detail_lines(report)
        lines += ["", f"### {report['batch']}" if as_markdown else f"{report['batch']}:"] if details else []
        lines += [f"- `{line}`" if as_markdown else f"  {line}" for line in details]
    return lines


def suspect_blocks(suspects: list[dict[Any, Any]]) -> list[Block]:
    """Return `LabelIssues` rows as `shoepair suspects` prints them."""
    head = ["batch", "student", "reason", "rank", "issue", "mispaired", "swapped", "not a shoe"]
    shares = ("issue_probability", "mispaired", "swapped", "not_a_shoe")
    cells = [[*(str(row[name]) for name in head[:4]), *(f"{row[name]:.1%}" for name in shares)] for row in suspects]
    if not suspects:
        return ["too few students for a ranking"]
    return [TextTable([head, *cells], 3, optional=(3, 7, 6, 5), wrapped=2, wrapped_width=36)]


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
