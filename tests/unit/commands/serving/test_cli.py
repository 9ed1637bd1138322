"""`shoepair check`, `serve` and `export` with a fake predictor."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.settings import mark_as_project
from typer.testing import CliRunner, Result

from shoepair.commands import serving
from shoepair.commands.main import app
from shoepair.commands.serving import cli, exports, matching, predictor
from shoepair.commands.serving.matching import FolderMatching, MatchedPair
from shoepair.commands.serving.predictor import DIFFERENT_VERDICT, NOT_SURE_VERDICT, SAME_VERDICT, Prediction
from shoepair.data.naming import PhotoError
from shoepair.runtime.errors import ShoepairError

YES = Prediction(SAME_VERDICT, 0.987654, ("Because.",), ("Wear them.",), "Learnt.")
NO = Prediction(DIFFERENT_VERDICT, 0.001, ("Because not.",), ("Look again.",), "Learnt.")
PERHAPS = Prediction(NOT_SURE_VERDICT, 0.5, ("One reason.", "Another one."), ("Ask.",), "Learnt.")


class FakePredictor:
    """Returns the verdict that the left photo names."""

    def prepare_photo(self, path: Path) -> str:
        text = path.read_text()
        if text == "broken":
            reason = "cannot be decoded"
            raise PhotoError(reason)
        return text

    def predict(self, left: str, right: str) -> Prediction:
        assert right == "the other shoe"
        return {answer.verdict: answer for answer in (YES, NO, PERHAPS)}[left]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    monkeypatch.setattr(predictor, "load_predictor", FakePredictor)
    Path("right.jpg").write_text("the other shoe")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def make_matching(*pairs: MatchedPair, **changes: Any) -> FolderMatching:
    usual: dict[str, Any] = {"unmatched": (), "unreadable": {}, "sides_known": True}
    return FolderMatching(pairs, **usual | changes)


@pytest.mark.parametrize(("answer", "status"), [(YES, 0), (NO, 0), (PERHAPS, 3)])
def test_answer_is_the_verdict_then_reasons_then_advice_and_its_status(answer: Prediction, status: int) -> None:
    Path("left.jpg").write_text(answer.verdict)
    plain = run("check", "left.jpg", "right.jpg")
    assert plain.output.splitlines() == [answer.verdict, *answer.advice, *answer.reasons, answer.learning]
    as_json = run("check", "--json", "left.jpg", "right.jpg")
    assert json.loads(as_json.output) == {
        **{"verdict": answer.verdict, "sure": status == 0, "score": round(answer.score, 4)},
        **{"reasons": list(answer.reasons), "advice": list(answer.advice), "learning": answer.learning},
    }
    assert (plain.exit_code, as_json.exit_code) == (status, status)


def test_photos_are_taken_in_the_order_that_their_names_say() -> None:
    Path("left.jpg").write_text(YES.verdict)
    assert run("check", "right.jpg", "left.jpg").output == run("check", "left.jpg", "right.jpg").output


def test_folder_matching_is_formatted_line_by_line() -> None:
    pairs = (MatchedPair("a left", "a right", YES), MatchedPair("b left", "b right", PERHAPS))
    result = make_matching(*pairs, unmatched=("c left",), unreadable={"notes.txt": "no image"}, sides_known=False)
    result = replace(result, left_out={"mug.jpg": "shows no shoe"}, learning="Learnt.")
    assert list(cli.iter_matching_lines(result)) == [
        "a left + a right: 99 %",
        "b left + b right: 50 %; not sure: One reason. Another one.",
        "2 pairs found",
        "unmatched: c left, no partner found",
        "left out: mug.jpg shows no shoe",
        "unreadable: notes.txt: no image",
        "not all file names say left or right: two shoes of the same side may be matched",
        "Learnt.",
    ]
    assert list(cli.iter_matching_lines(make_matching(pairs[0])))[1:] == ["1 pair found"]
    assert list(cli.iter_matching_lines(make_matching())) == ["0 pairs found"]


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (make_matching(), 0),
        (make_matching(MatchedPair("a", "b", YES), MatchedPair("c", "d", NO), unmatched=("e",), sides_known=False), 0),
        (make_matching(MatchedPair("a", "b", YES), MatchedPair("c", "d", PERHAPS)), 3),
        (make_matching(MatchedPair("a", "b", YES), unreadable={"c": "no image"}), 3),
        (make_matching(MatchedPair("a", "b", YES), left_out={"c": "shows no shoe"}), 3),
    ],
    ids=["nothing", "sure", "a doubt", "unreadable", "left out"],
)
def test_folder_is_not_sure_if_a_pair_is_doubtful_or_a_file_unreadable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: FolderMatching, status: int
) -> None:
    monkeypatch.setattr(matching, "match_folder", lambda folder, _: result if folder == tmp_path else None)
    as_json = run("check", "--json", str(tmp_path))
    assert as_json.exit_code == status
    assert json.loads(as_json.output) == result.to_dict()
    assert run("check", str(tmp_path)).output.splitlines() == list(cli.iter_matching_lines(result))


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
        (
            ["a left.jpg", "b-left.png"],
            "check: a left.jpg and b-left.png are both left shoes by their names, expected a left and a right one\n"
            "choose one photo of each shoe, or rename the file",
        ),
        (
            ["--picture", "x.jpg", "left.jpg", "right.jpg"],
            "check: --picture x.jpg, expected a name that ends with .png\nwrite `--picture pairs.png`",
        ),
        (
            ["right.jpg", "left.jpg"],
            "left.jpg: cannot be decoded\n"
            "the photo is damaged or did not arrive whole; send it again, or take a new one",
        ),
    ],
)
def test_wrong_call_is_explained(words: list[str], message: str) -> None:
    for name in ("left.jpg", "a left.jpg", "b-left.png"):
        Path(name).write_text("broken")
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
    assert error.fix == "install it: python -m pip install -e '.[serve]'"
    assert error.message.endswith(" is not installed")


def test_exports_print_what_they_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def npy(split: str, output_path: Path | None) -> tuple[Path, tuple[int, ...]]:
        calls.append((split, output_path))
        return Path("train.npy"), (8, 3, 2, 32, 32, 3)

    def onnx(output_path: Path | None) -> tuple[Path, int, float]:
        calls.append(output_path)
        return Path("model.onnx"), 90, 1.2345e-6

    monkeypatch.setattr(exports, "export_npy", npy)
    monkeypatch.setattr(exports, "export_and_compare_onnx", onnx)
    assert run("export", "npy", "--split", "train", "--output", "x.npy").output == (
        "train.npy: 8 x 3 x 2 x 32 x 32 x 3 float32; it contains photos, and `shoepair forget` does not delete it\n"
    )
    assert (
        run("export", "onnx").output == "model.onnx: logits of 90 test pairs differ from torch's by 1.2e-06 at most\n"
    )
    assert calls == [("train", Path("x.npy")), None]
