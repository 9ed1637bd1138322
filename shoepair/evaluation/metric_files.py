"""Schemas of the JSON files that stages write with metrics, for those that read them. Imports nothing slow.

Every key that a table or page shows is there, of its type; further keys are allowed.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, RootModel, model_validator

from shoepair.evaluation.metric_names import COMPARED_METRICS, METRIC_NAMES, interval_names
from shoepair.runtime import json_files, paths


def _require(*names: str) -> AfterValidator:
    """Return a pydantic validator: a mapping has these keys."""

    def check(numbers: dict[str, Any]) -> dict[str, Any]:
        if missing := [name for name in names if name not in numbers]:
            message = f"without {', '.join(missing)}"
            raise ValueError(message)
        return numbers

    return AfterValidator(check)


_METRICS = [name for metric in METRIC_NAMES for name in interval_names(metric)]
_DIFFERENCES = [name for metric in COMPARED_METRICS for name in interval_names(metric)]
Metrics = Annotated[dict[str, float], _require("students", "pairs", *_METRICS)]
CalibratedMetrics = Annotated[Metrics, _require("ece", "ece_calibrated")]


class Verdict(BaseModel):
    """The verdict on the best model: in a few words, and as a sentence."""

    short: str
    text: str


class EvaluationDetails(BaseModel):
    """metrics/details.json, see `comparison.compare_models`."""

    best: str
    verdict: Verdict
    models: dict[str, dict[str, CalibratedMetrics]]
    temperatures: dict[str, float]
    differences: list[
        Annotated[dict[str, float | str], _require("model", "against", "split", "students", *_DIFFERENCES)]
    ]
    kinds: dict[str, str | Annotated[dict[str, float], _require("students_m", "students_w", *_DIFFERENCES)]]

    @model_validator(mode="after")
    def _check_models(self) -> Self:
        compared = {str(entry[side]) for entry in self.differences for side in ("model", "against")}
        named = {self.best, *self.temperatures, *compared, *self.kinds.keys() - {"left_out"}}
        if unknown := sorted(named - self.models.keys()):
            message = f"no metrics of {', '.join(unknown)}"
            raise ValueError(message)
        if unknown := sorted(self.models.keys() - self.temperatures.keys()):
            message = f"no temperature of {', '.join(unknown)}"
            raise ValueError(message)
        return self


def read_details(fix_hint: str) -> dict[str, Any]:
    """Read the metrics of all models; raise a ShoepairError if the file is missing or invalid."""
    return json_files.read_json(paths.EVALUATION_DETAILS, fix_hint, EvaluationDetails)


class CrossvalMetrics(RootModel[Metrics]):
    """metrics/crossval/<model>.json, see `metrics.compute_metrics`."""


class LeakageReport(
    RootModel[dict[str, Annotated[dict[str, float | bool], _require("balanced", "low", "high", "leaks")]]]
):
    """reports/audit.json, see `leakage.cross_validate_probes_by_name`."""
