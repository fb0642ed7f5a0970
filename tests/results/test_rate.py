"""Rates: units, errors, comparisons, refusals."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError, InvalidModel
from fokkerplanck.results.rate import Rate


def test_conversion_to_time() -> None:
    rate = Rate(0.02, "sampled", standard_error=0.001, unit="step", info=Info(paths=3))
    converted = rate.per_time(0.1)
    assert converted.value == pytest.approx(0.2, rel=1e-15)
    assert converted.standard_error == pytest.approx(0.01, rel=1e-15)
    assert (converted.unit, converted.method, converted.info["paths"]) == ("time", "sampled", 3)
    assert converted.per_time(0.5) is converted
    assert Rate(1, "formula", unit="step").per_time(0.5).standard_error is None


def test_agreement_is_judged_in_standard_errors() -> None:
    one = Rate(1.0, "sampled", standard_error=0.3)
    other = Rate(2.0, "sampled", standard_error=0.4)
    assert one.agrees_with(other)
    assert one.agrees_with(other, sigmas=2)
    assert not one.agrees_with(other, sigmas=1.9)
    exact = Rate(1.8, "formula")
    assert one.agrees_with(exact)
    assert exact.agrees_with(one)
    assert not exact.agrees_with(one, sigmas=2.6)


def test_mixed_units_are_refused() -> None:
    step = Rate(1.0, "sampled", standard_error=0.1, unit="step")
    time = Rate(1.0, "formula")
    with pytest.raises(InvalidModel, match=r"per step, the other per time.*per_time\(eta\)"):
        step.agrees_with(time)
    with pytest.raises(InvalidModel, match="neither rate has a standard error"):
        time.agrees_with(time)
    with pytest.raises(InvalidModel, match="not float"):
        time.agrees_with(1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("eta", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_takes_a_positive_time(eta: float) -> None:
    with pytest.raises(InvalidModel, match="positive time"):
        Rate(1.0, "sampled", unit="step").per_time(eta)


@pytest.mark.parametrize(
    "entries",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": -1e-300},
        {"value": 1.0, "standard_error": float("nan")},
        {"value": 1.0, "standard_error": -1.0},
    ],
)
def test_no_bare_nan(entries: dict[str, Any]) -> None:
    with pytest.raises(FokkerPlanckError, match="finite and not negative"):
        Rate(method="formula", **entries)


def test_unknown_units_are_refused() -> None:
    with pytest.raises(InvalidModel, match="'hour'"):
        Rate(1.0, "formula", unit="hour")  # type: ignore[arg-type]


def test_rates_are_values() -> None:
    rate = Rate(1, "formula", info=Info(assumption="weak noise"))
    assert isinstance(rate.value, float)
    with pytest.raises(dataclasses.FrozenInstanceError):
        rate.value = 2.0  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(rate))
    assert (copy.value, copy.method, copy.unit) == (rate.value, rate.method, rate.unit)
    assert copy.info["assumption"] == "weak noise"
