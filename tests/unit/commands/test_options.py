"""Options that several commands have mean the same in all of them."""

from __future__ import annotations

import pytest
import typer

from shoepair.commands.main import app


@pytest.mark.parametrize(
    ("parameter", "flag", "least"), [("as_json", "--json", 10), ("markdown", "--md", 4), ("name", "--name", 2)]
)
def test_an_option_has_one_flag_and_one_help_in_all_commands(parameter: str, flag: str, least: int) -> None:
    commands = typer.main.get_group(app).commands.values()
    options = [option for command in commands for option in command.params if option.name == parameter]
    assert len(options) >= least
    assert {tuple(option.opts) for option in options} == {(flag,)}
    assert len({getattr(option, "help", "") for option in options}) == 1
