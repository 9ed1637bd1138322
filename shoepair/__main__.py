"""Entry point of the command `shoepair` and of `python -m shoepair`: handles Ctrl-C from the first import on."""

from __future__ import annotations

import sys

from shoepair.runtime import interruption, library_output

# What a stopped command leaves, by command; others change nothing.
STOPPED_LINES = {
    "add": "stopped; nothing was added",
    "crossval": "stopped; the same command goes on from here",
    "doctor": "stopped; `shoepair doctor` goes on from here",
    "export": "stopped; nothing was written",
    "forget": "stopped; run the same command again, it completes what was begun",
    "repro": "stopped; `shoepair repro` goes on from here",
    "remove": "stopped; run the same command again, it completes what was begun",
}


def main() -> None:
    """Run the command line."""
    line = STOPPED_LINES.get(sys.argv[1] if len(sys.argv) > 1 else "", "stopped; nothing was changed")
    interruption.handle_imports(line)
    library_output.silence_libraries()
    from shoepair.commands import main as program  # imported late: it loads many libraries

    with interruption.end_with_line(line):
        program.main()


if __name__ == "__main__":
    main()
