"""The critical sharpness, seen in runs on both sides of it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from fokkerplanck import flows
from fokkerplanck.errors import InvalidModel

w = sp.Symbol("w")


@pytest.mark.parametrize(
    ("momentum", "nesterov", "expected"),
    [(0.0, False, 20.0), (0.9, False, 38.0), (0.5, True, 15.0), (0.0, True, 20.0)],
)
def test_descent_grows_above_and_decays_below(
    momentum: float, nesterov: bool, expected: float
) -> None:
    critical = flows.critical_sharpness(0.1, momentum, nesterov)
    assert critical == pytest.approx(expected, rel=1e-14)
    ends = [
        flows.gradient_descent(
            factor * critical * w**2 / 2,
            (w,),
            0.1,
            (1.0,),
            2000,
            momentum=momentum,
            nesterov=nesterov,
        ).extent[[1000, -1]]
        for factor in (0.99, 1.01)
    ]
    assert ends[0][1] < 0.5 * ends[0][0]
    assert ends[1][1] > 2 * ends[1][0]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_rod_grows_above_and_decays_below(momentum: float) -> None:
    """In the joint phase space of positions and displacements."""
    critical = flows.critical_sharpness(0.1, momentum)
    for factor, grows in ((0.99, False), (1.01, True)):
        loss = factor * critical * w**2 / 2
        rod = flows.rod_flow(
            loss, (w,), 0.1, (1.0,), 60, momentum=momentum, closure=flows.AllAxes()
        )
        assert (rod.extent[-1] > rod.extent[40]) == grows


def test_symbols_are_welcome() -> None:
    eta, beta = sp.symbols("eta beta", positive=True)
    assert flows.critical_sharpness(eta, beta) == (2 + 2 * beta) / eta


@pytest.mark.parametrize("arguments", [(0.0,), (-1.0,), (0.1, 1.0), (0.1, -0.2)])
def test_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(InvalidModel):
        flows.critical_sharpness(*arguments)
    assert np.isfinite(flows.critical_sharpness(0.1, 0.99))
