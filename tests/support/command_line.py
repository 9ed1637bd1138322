"""Runs `shoepair` in the process of the test."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from shoepair.commands.main import app


def run(*words: str) -> Result:
    """Run a command; its errors are in `exception`, not printed."""
    return CliRunner().invoke(app, words)
