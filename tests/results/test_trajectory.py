"""Trajectories: frozen arrays, distances, plots."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.results.trajectory import Trajectory


def trajectory(count: int = 4, **changed: Any) -> Trajectory:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "times": np.arange(count),
        "parameters": rng.normal(size=(count, 2)),
        "average": rng.normal(size=(count, 2)),
        "variables": ("x", "y"),
    }
    arrays |= {
        name: rng.normal(size=count) for name in ("loss", "sharpness", "extent", "mean_loss")
    }
    return Trajectory(**(arrays | changed))


def test_arrays_are_read_only_copies() -> None:
    loss = np.zeros(4)
    run = trajectory(loss=loss)
    with pytest.raises(ValueError, match="read-only"):
        run.loss[0] = 1
    loss[0] = 7  # the caller's stays writable, and apart
    assert run.loss[0] == 0
    assert run.steps == 3


def test_distance_reaches_as_far_as_both() -> None:
    long, short = trajectory(6), trajectory(4)
    separation = long.distance(short)
    expected = np.sqrt(np.sum((long.average[:4] - short.average) ** 2, axis=1))
    np.testing.assert_allclose(separation, expected)
    with pytest.raises(FokkerPlanckError, match="have no distance"):
        long.distance(trajectory(variables=("x", "z")))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": np.zeros(3)}, r"loss has shape \(3,\)"),
        ({"average": np.zeros((4, 1))}, "average has shape"),
        ({"extent": np.array([0, 0, np.nan, 0])}, "extent is not finite at step 2"),
    ],
)
def test_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(FokkerPlanckError, match=message):
        trajectory(**changed)


@pytest.mark.parametrize("quantity", ["loss", "sharpness", "extent", "mean_loss", "y"])
def test_plot(quantity: str) -> None:
    run = trajectory()
    figure, axes = plt.subplots()
    line = run.plot(quantity, axes, color="k")
    expected = run.parameters[:, 1] if quantity == "y" else getattr(run, quantity)
    np.testing.assert_array_equal(line.get_ydata(), expected)
    assert axes.get_xlabel() == "step"
    assert axes.get_ylabel()
    plt.close(figure)


def test_unknown_quantity() -> None:
    with pytest.raises(FokkerPlanckError, match="not 'entropy'"):
        trajectory().plot("entropy")
