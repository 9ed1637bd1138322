"""Keeps off the terminal what libraries tell developers: warnings, log messages, errors while Python ends.

What the user needs to know, this project says itself, in one line. `-W` or `PYTHONWARNINGS` bring the warnings back.
In tests they are errors, since only programs call this.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Final

IGNORE: Final = "ignore"
VARIABLES = {  # read by libraries that are not written in Python, when they are loaded
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # warnings of torch
    "KMP_WARNINGS": "0",  # of Intel's OpenMP
}
BAR_LOGGERS = ("dvc.progress", "dvc_data.callbacks")  # DVC draws a bar, across ours, unless its level is above ERROR


def silence_libraries() -> None:
    """Print nothing of libraries, here and in processes that are started from here; call it before they are loaded."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    for name in BAR_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(logging.NullHandler())  # else Python prints what no handler takes
    logging.getLogger(__package__.partition(".")[0]).addHandler(logging.StreamHandler())
    if set(sys.warnoptions) - {IGNORE}:
        return
    # Not a filter alone: libraries add filters of their own.
    warnings.showwarning = lambda *_arguments, **_options: None
    sys.unraisablehook = lambda _error: None
    warnings.simplefilter(IGNORE)
    if IGNORE not in sys.warnoptions:
        sys.warnoptions.append(IGNORE)  # multiprocessing hands it on
