"""Warnings, logs and errors of libraries do not reach the terminal of a program."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings

import pytest

from shoepair.runtime import library_output


@pytest.fixture(autouse=True)
def _restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test changes what pytest does with warnings."""
    for name in library_output.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for name in ("", "shoepair"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])


def test_warnings_are_not_shown_whatever_filter_a_library_adds(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        library_output.silence_libraries()
        warnings.warn("one", stacklevel=1)
        warnings.simplefilter("always")
        warnings.warn("two", DeprecationWarning, stacklevel=1)
    assert sys.warnoptions == ["ignore"], "for the processes that multiprocessing starts"
    assert capfd.readouterr().err == ""


def test_developer_gets_the_warnings_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "warnoptions", ["error"])
    library_output.silence_libraries()
    with pytest.raises(UserWarning, match="one"):
        warnings.warn("one", stacklevel=1)


def test_logs_of_libraries_are_not_printed_and_those_of_this_project_are(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        library_output.silence_libraries()
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    logging.getLogger("shoepair.commands").warning("a worker died")
    assert capfd.readouterr().err == "a worker died\n"


def test_error_that_python_can_only_print_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    class Noisy:
        def __del__(self) -> None:
            raise ZeroDivisionError

    with warnings.catch_warnings():
        library_output.silence_libraries()
    noisy = Noisy()
    del noisy
    assert capfd.readouterr().err == ""


def test_variables_of_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "INFO")
    with warnings.catch_warnings():
        library_output.silence_libraries()
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "INFO"
    assert os.environ["KMP_WARNINGS"] == "0"


def test_dvc_draws_no_bar_across_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.progress import Tqdm
    from dvc_data.callbacks import Tqdm as DataTqdm

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in library_output.BAR_LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    for bar in (Tqdm, DataTqdm):
        with bar(total=3, file=Terminal()) as shown:
            assert not shown.disable
    library_output.silence_libraries()
    for bar in (Tqdm, DataTqdm):
        with bar(total=3, file=Terminal()) as shown:
            assert shown.disable
