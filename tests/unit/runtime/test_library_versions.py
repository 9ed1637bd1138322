"""Expected versions of the libraries that affect results, compared with the installed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.field import ROOT

from shoepair.runtime import library_versions
from shoepair.runtime.errors import ShoepairError


def test_every_difference_is_in_the_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(library_versions, "installed_version", lambda _name: "0.1")
    with pytest.raises(ShoepairError) as caught:
        library_versions.check_versions("normalize")
    assert len(str(caught.value).splitlines()) == 1
    for name in library_versions.expected_version_by_library(["arrays", "images", "stores"]):
        assert f"{name} 0.1 is installed" in str(caught.value)
    assert "torch" not in str(caught.value)


def test_suffix_of_a_build_is_no_other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_versions, "version", lambda _name: "2.13.0+cu130")
    assert library_versions.installed_version("torch") == "2.13.0"


def test_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library_versions.installed_version("no-such-library") == "none"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(library_versions, "expected_version_by_library", lambda _groups: {"no-such-library": "1.0"})
    with pytest.raises(
        ShoepairError, match=r"^no-such-library none is installed, expected 1\.0 \(pyproject\.toml\): run `"
    ):
        library_versions.check_versions("pairs")


@pytest.mark.parametrize("text", [None, "", "[tool.shoepair.results", "[tool.shoepair.results.arrays]\nnumpy = '1'\n"])
def test_missing_or_torn_table_is_one_clear_message(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("pyproject.toml").write_text(text)
    with pytest.raises(ShoepairError, match=r"^pyproject\.toml: no table \[tool\.shoepair\.results\.") as caught:
        library_versions.expected_version_by_library(["images"])
    assert "git checkout pyproject.toml" in str(caught.value)
