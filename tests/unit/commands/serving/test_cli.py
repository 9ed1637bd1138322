"""`shoepair check`, `serve` and `export` with a judge whose verdicts are known."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shoepair.commands import serving
from shoepair.commands.main import app
from shoepair.commands.serving import cli, exports, matching, predictor
from shoepair.commands.serving.matching import Match, Matching
from shoepair.commands.serving.predictor import DIFFERENT, NOT_SURE, SAME, Answer
from shoepair.data.naming import PhotoError
from shoepair.runtime.errors import ShoepairError

YES = Answer(SAME, 0.987654, ("Because.",), ("Wear them.",))
NO = Answer(DIFFERENT, 0.001, ("Because not.",), ("Look again.",))
PERHAPS = Answer(NOT_SURE, 0.5, ("One reason.", "Another one."), ("Ask.",))


class Judge:
    """Calls two photos what the first one says."""

    def prepare(self, path: Path) -> str:
        text = path.read_text()
        if text == "broken":
            reason = "cannot be decoded"
            raise PhotoError(reason)
        return text

    def judge(self, left: str, right: str) -> Answer:
        assert right == "the other shoe"
        return {answer.verdict: answer for answer in (YES, NO, PERHAPS)}[left]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predictor, "appoint", Judge)
    Path("right.jpg").write_text("the other shoe")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def matched(*pairs: Match, **told: Any) -> Matching:
    usual: dict[str, Any] = {"single": (), "unreadable": {}, "sided": True}
    return Matching(pairs, **usual | told)


@pytest.mark.parametrize(("answer", "status"), [(YES, 0), (NO, 0), (PERHAPS, 3)])
def test_answer_is_the_verdict_then_reasons_then_advice_and_its_status(answer: Answer, status: int) -> None:
    Path("left.jpg").write_text(answer.verdict)
    plain = run("check", "left.jpg", "right.jpg")
    assert plain.output.splitlines() == [answer.verdict, *answer.reasons, *answer.advice]
    told = run("check", "--json", "left.jpg", "right.jpg")
    assert json.loads(told.output) == {
        **{"verdict": answer.verdict, "score": round(answer.score, 4)},
        **{"reasons": list(answer.reasons), "advice": list(answer.advice)},
    }
    assert (plain.exit_code, told.exit_code) == (status, status)


def test_folder_with_everything_that_can_be_is_told_line_by_line() -> None:
    pairs = (Match("a left", "a right", YES), Match("b left", "b right", PERHAPS))
    found = matched(*pairs, single=("c left",), unreadable={"notes.txt": "no image"}, sided=False)
    assert list(cli.matching_lines(found)) == [
        "a left + a right: 99 %",
        "b left + b right: 50 %; not sure: One reason. Another one.",
        "2 pairs found",
        "left over: c left, no partner found",
        "not read: notes.txt: no image",
        "the file names do not all tell left or right: shoes of one side may have been put together",
    ]
    assert list(cli.matching_lines(matched(pairs[0])))[1:] == ["1 pair found"]
    assert list(cli.matching_lines(matched())) == ["0 pairs found"]


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (matched(), 0),
        (matched(Match("a", "b", YES), Match("c", "d", NO), single=("e",), sided=False), 0),
        (matched(Match("a", "b", YES), Match("c", "d", PERHAPS)), 3),
        (matched(Match("a", "b", YES), unreadable={"c": "no image"}), 3),
    ],
    ids=["nothing", "sure", "a doubt", "unreadable"],
)
def test_folder_is_no_answer_if_a_pair_is_doubtful_or_a_file_no_photo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Matching, status: int
) -> None:
    monkeypatch.setattr(matching, "match_folder", lambda folder, _: found if folder == tmp_path else None)
    done = run("check", "--json", str(tmp_path))
    assert done.exit_code == status
    assert json.loads(done.output) == found.document()
    assert run("check", str(tmp_path)).output.splitlines() == list(cli.matching_lines(found))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a\nb.jpg"], r"a\nb.jpg: no such file or folder"),
        (
            ["right.jpg"],
            "check: one photo, right.jpg, expected two, or one folder\n"
            "run `shoepair check LEFT RIGHT`, or `shoepair check FOLDER`",
        ),
        (
            ["right.jpg", "."],
            ".: not a file, expected two photos, or one folder\n"
            "run `shoepair check LEFT RIGHT`, or `shoepair check FOLDER`",
        ),
        (["right.jpg", "left.jpg"], "left.jpg: cannot be decoded\nPNG, JPEG and WebP photos are read"),
    ],
)
def test_call_that_is_none_is_told_where_it_went_wrong(words: list[str], message: str) -> None:
    Path("left.jpg").write_text("broken")
    error = run("check", *words).exception
    assert isinstance(error, ShoepairError)
    assert str(error) == message


@pytest.mark.parametrize("library", ["uvicorn", "starlette.requests", "jinja2"])
def test_server_without_its_libraries_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    for name in ("web", "uploads"):
        monkeypatch.delitem(sys.modules, f"shoepair.commands.serving.{name}", raising=False)
        monkeypatch.delattr(serving, name, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    error = run("serve", "--port", "0").exception
    assert isinstance(error, ShoepairError)
    assert error.fix == "install it: python -m pip install 'shoepair[serve]'"
    assert error.found.endswith(" is not installed")


def test_exports_tell_what_they_wrote_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def npy(split: str, to: Path | None) -> tuple[Path, tuple[int, ...]]:
        asked.append((split, to))
        return Path("train.npy"), (8, 3, 2, 32, 32, 3)

    def onnx(to: Path | None) -> tuple[Path, int, float]:
        asked.append(to)
        return Path("model.onnx"), 90, 1.2345e-6

    monkeypatch.setattr(exports, "npy", npy)
    monkeypatch.setattr(exports, "onnx", onnx)
    assert run("export", "npy", "--split", "train", "--to", "x.npy").output == (
        "train.npy: 8 x 3 x 2 x 32 x 32 x 3 float32; it holds photos, and `shoepair forget` misses it\n"
    )
    assert (
        run("export", "onnx").output == "model.onnx: logits of 90 test pairs differ from torch's by 1.2e-06 at most\n"
    )
    assert asked == [("train", Path("x.npy")), None]
