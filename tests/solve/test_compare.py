"""Tables of discrete SGD beside its diffusions: slopes, units, runs, refusals."""

from __future__ import annotations

import pickle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidModel

x = sp.Symbol("x", real=True)
eta = sp.Symbol("eta", positive=True)
DOUBLE_WELL = (x**2 - 1) ** 2 / 4


def sampled_variance(sgd: Any) -> tuple[float, float]:
    runs = fpk.simulate_sgd(sgd, (0.0,), steps=120, runs=4000, seed=4)
    return float(runs.covariance()[0, 0]), float(runs.covariance_standard_error()[0, 0])


def test_variances_at_a_fixed_batch() -> None:
    """Of a quadratic with fixed noise: relative errors ``eta/2`` and ``(eta/2)^2``."""
    sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=eta)
    table = fpk.compare(
        sgd,
        lambda operator: fpk.stationary_density(operator).covariance()[0, 0],
        learning_rates=(0.4, 0.1, 0.2),
        steps=lambda rate: fpk.Panels(x=(-8 * rate**0.5, 8 * rate**0.5)),
        diffusion=lambda rate: fpk.Grid(x=(-8 * rate**0.5, 8 * rate**0.5, 2000)),
        sampled=sampled_variance,
    )
    rates = np.array([0.1, 0.2, 0.4])
    assert table.learning_rates == pytest.approx(rates)
    assert table.exact == pytest.approx(rates / (2 - rates), rel=1e-8)
    assert -table.errors == pytest.approx(np.stack([rates / 2, (rates / 2) ** 2]), rel=0.01)
    assert table.slopes == pytest.approx(np.array([[1, 1], [2, 2]]), abs=0.02)
    deviations = table.deviations
    assert deviations is not None
    assert np.abs(deviations).max() < 3
    assert "sampled" in str(table)
    figure, axes = plt.subplots()
    assert len(table.plot(axes)) == 2
    plt.close(figure)
    assert pickle.loads(pickle.dumps(table)).exact == pytest.approx(table.exact, abs=0)


def test_rates_are_taken_per_time() -> None:
    """Times to a ridge: the overshoot of a step makes the error of the diffusion go as its root."""
    table = fpk.compare(
        lambda rate: fpk.SGD(
            DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.25 / rate), learning_rate=rate
        ),
        lambda operator: fpk.escape_rate(operator, (1.0,), x < 0),
        learning_rates=(0.0005, 0.002),
        steps=fpk.Panels(x=(-2.2, 2.2)),
        diffusion=fpk.Grid(x=(-2.2, 2.2, 1100)),
        orders=(1,),
    )
    assert table.slopes[0, 0] == pytest.approx(0.5, abs=0.06)
    assert (table.errors > 0).all()
    assert table.deviations is None


def test_refusals() -> None:
    sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=0.1)

    def table(model: Any = sgd, rates: Any = (0.1, 0.2), orders: Any = (1, 2)) -> Any:
        grids = {"steps": fpk.Panels(x=(-1, 1)), "diffusion": fpk.Grid(x=(-1, 1, 10))}
        return fpk.compare(model, lambda _: 1.0, learning_rates=rates, orders=orders, **grids)

    with pytest.raises(InvalidModel, match="make it a symbol"):
        table()
    for rates in ((0.1, 0.1), (-0.1, 0.2), ()):
        with pytest.raises(InvalidModel, match="different positive numbers"):
            table(rates=rates)
    with pytest.raises(InvalidModel, match="orders are"):
        table(orders=(2,))
