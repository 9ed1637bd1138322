"""`shoepair analyze`: the tables, a user's own numbers, and the messages for wrong ones."""

from __future__ import annotations

import subprocess
import sys

from support.field import ROOT


def test_program_prints_one_message_and_no_traceback() -> None:
    words = [sys.executable, "-m", "shoepair", "analyze", "conv1d", "--x=1,2", "--kernel=-1,2,-1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ("error: kernel: length 3, longer than the input x of 2\nuse a kernel of length 2 or less\n")
    assert done.stdout == ""


def test_program_does_not_wait_for_torch() -> None:
    code = "import shoepair.commands.main, sys; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
