"""Answers -> the lines that `shoepair check` prints."""

from __future__ import annotations

from collections.abc import Iterator

from shoepair.usage.matching import Matching
from shoepair.usage.verdicts import Answer, percent


def answer_lines(answer: Answer) -> Iterator[str]:
    """The verdict first, alone on its line; then why, and what to do."""
    yield answer.verdict
    yield from answer.reasons
    yield from answer.advice


def matching_lines(matching: Matching) -> Iterator[str]:
    """A line per pair, the surest first; then what is left over, and what could not be read."""
    for match in matching.pairs:
        doubt = "" if match.answer.sure else f"; {match.answer.verdict}: {' '.join(match.answer.reasons)}"
        yield f"{match.left} + {match.right}: {percent(match.answer.score)}{doubt}"
    yield f"{len(matching.pairs)} pair{'' if len(matching.pairs) == 1 else 's'} found"
    for name in matching.single:
        yield f"left over: {name}, no partner found"
    for name, reason in matching.unreadable.items():
        yield f"not read: {name}: {reason}"
    if not matching.sided:
        yield "the file names do not all tell left or right: shoes of one side may have been put together"
