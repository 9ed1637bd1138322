"""A bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from support.field import ROOT

from shoepair.runtime import progress

NORMALIZE = (sys.executable, "-m", "stages.normalize", "tiny")
BEFORE = [(sys.executable, "-m", f"stages.{stage}", "tiny") for stage in ("ingest", "validate")]


def on_a_terminal(*words: str) -> tuple[str, str]:
    """What a command prints to stdout, and what to a terminal that is its stderr."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (25, 100))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=terminal, text=True) as process:
        os.close(terminal)
        drawn = b""
        while True:
            try:
                part = os.read(controller, 4096)
            except OSError:  # how Linux tells that the other side is closed
                break
            if not part:
                break
            drawn += part
        assert process.stdout is not None
        said = process.stdout.read()
    os.close(controller)
    assert process.returncode == 0
    return said, drawn.decode()


def test_long_stage_shows_rate_and_remaining_time_on_a_terminal_only(project: Path) -> None:  # noqa: ARG001
    for words in BEFORE:
        subprocess.run(words, check=True, capture_output=True)
    line = "normalize tiny: 48 photos of 8 students, 32 x 32 pixels each\n"
    said, drawn = on_a_terminal(*NORMALIZE)
    assert said == line
    assert "normalize tiny" in drawn
    assert "/48 photos" in drawn
    assert re.search(r"0:00:0\d.{0,20}<", drawn), "the remaining time stands behind the time gone"
    assert drawn.count("\x1b[?25h") >= drawn.count("\x1b[?25l"), "the cursor stays visible, also if it is killed"
    plain = subprocess.run(NORMALIZE, check=True, capture_output=True, text=True)
    assert (plain.stdout, plain.stderr) == (line, "")


def test_items_come_as_they_are_and_lines_are_printed() -> None:
    code = (
        "from shoepair.runtime import progress\n"
        "for n in progress.track(range(3), 'count', 'number'): progress.print_above_bar(f'at {n}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("at 0\nat 1\nat 2\n", "")
    assert list(progress.track(iter("ab"), "letters", "letter", total=2)) == ["a", "b"]


def test_command_says_what_it_does_and_then_draws_its_table(project: Path) -> None:  # noqa: ARG001
    said, drawn = on_a_terminal(sys.executable, "-m", "shoepair", "batches")
    assert "counting the photos" in drawn
    assert said.splitlines()[0].split()[:3] == ["batch", "source", "students"], "stdout is a pipe: plain"
