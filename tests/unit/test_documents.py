"""Links in documents lead somewhere: files that are in git, headings that exist; README is short, complete and true.

No network is used.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.field import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "data/*.md", "benchmarks/*.md", "metrics/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
EXTRA = re.compile(r"(?:shoepair|\.)\[([a-z0-9]+)\]")
README = ROOT / "README.md"
WORDS, WORDS_OF_TWO_SCREENS = 900, 650  # a screen: 3,163 words were 9.8 of them
ANSWERS = {
    "What is it?": "shoepair tells whether a left and a right shoe are a pair",
    "Whom does it help?": "to help visually impaired people",
    "How long does it take?": "make repro # a minute for the install (1.5 GB), six for the pipeline",
    "What do I see then?": "Then open `reports/index.html`:",
    "How do I add a class?": "make repro PHOTOS=path/to/winter # checks and adds the photos as the only class",
    "Which model is best, and how sure is that?": "with 95 % confidence",
    "How do I compare two runs?": "shoepair experiments # all runs side by side",
    "Where is the code for X?": "says where the code of each step is",
    "May I copy it?": "You may: the licence is [Apache-2.0](LICENSE)",
    "What does it not do?": "What it does not do:",
}


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(document: Path, text: str) -> list[str]:
    """Return the links of a text that lead to no file and no heading."""
    broken = []
    for link in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / document.parent / name).resolve() if name else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    assert broken_links(document, (ROOT / document).read_text()) == []


def test_broken_link_is_found() -> None:
    text = "[a](docs/none.md) [b](docs/architecture.md#no-such) [c](#none) [d](docs/architecture.md#tests) `[e](f)`"
    assert broken_links(Path("README.md"), text) == ["docs/none.md", "docs/architecture.md#no-such", "#none"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_no_mark_of_a_merge_is_left(document: Path) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", (ROOT / document).read_text(), re.MULTILINE) == []


def test_addresses_are_whole() -> None:
    for document in DOCUMENTS:
        for address in re.findall(r"\]\((https?://[^)\s]+)\)", (ROOT / document).read_text()):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/[^\s<>]*)?", address), (document, address)


def test_every_extra_that_is_named_exists_and_is_installed_from_the_project() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    texts = [path for folder in ("shoepair", "stages") for path in (ROOT / folder).rglob("*.py")]
    for path in (*texts, *(ROOT / document for document in DOCUMENTS)):
        text = path.read_text()
        assert {*EXTRA.findall(text)} <= extras.keys(), path
        if path.name != "CHANGELOG.md":
            assert not re.search(r"pip install ['\"]?shoepair", text), f"{path}: the registry has no such package"


def test_citation_and_licence_agree_with_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert "Apache License\n" in (ROOT / "LICENSE").read_text()


def test_readme_is_short_and_its_first_two_screens_answer_the_ten_questions() -> None:
    words = README.read_text().split()
    assert len(words) <= WORDS
    start = " ".join(words[:WORDS_OF_TWO_SCREENS])
    assert [question for question, answer in ANSWERS.items() if answer not in start] == []


def readme_cells(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return the cells of README's table for the test accuracies of a model."""
    cells = []
    for split in ("test_m", "test_w"):
        values = [figures[split][key] for key in ("balanced", "low", "high")]
        value, low, high = (f"{100 * value:.1f}".removesuffix(".0") for value in values)
        cells.append(f"{value} % ({low} - {high})")
    return cells


def test_figures_of_the_drawn_class_in_the_readme_are_the_recorded_ones() -> None:
    lines = [line for line in README.read_text().splitlines() if line.startswith("| `")]
    shown = {line.split("`")[1]: re.split(r" +\| +", line)[1:3] for line in lines}
    recorded = json.loads((ROOT / "metrics/details.json").read_text())["models"]
    assert recorded.keys() <= shown.keys()
    assert shown == {model: readme_cells(recorded[model]) if model in recorded else ["-", "-"] for model in shown}


def test_graph_of_the_pipeline_in_the_readme_is_that_of_dvc_yaml() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    bodies = {name: stage.get("do", stage) for name, stage in stages.items()}

    def paths_of(stage: str, *kinds: str) -> list[str]:
        entries = [entry for kind in kinds for entry in bodies[stage].get(kind, [])]
        names = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
        return [re.sub(r"\$\{\w+\}", "x", name) + "/" for name in names]

    def feeds(stage: str, other: str) -> bool:
        """Whether what one stage writes is in what the other one reads, or contains it."""
        written, read = paths_of(stage, "outs", "metrics", "plots"), paths_of(other, "deps")
        return any(one.startswith(two) or two.startswith(one) for one in written for two in read)

    graph = README.read_text().split("graph LR\n")[1].split("```")[0]
    chains = [line.strip().split("-->") for line in graph.splitlines()]
    assert {name for chain in chains for name in chain} == stages.keys()
    edges = [edge for chain in chains for edge in itertools.pairwise(chain)]
    assert [edge for edge in edges if not feeds(*edge)] == []
