"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NameOption = Annotated[
    str, typer.Option(help="Batch name: lower-case letters, digits, '-', '_'; default: made of the source's name.")
]
MarkdownOption = Annotated[bool, typer.Option("--md", help="Print Markdown.")]
