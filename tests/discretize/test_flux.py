"""The Bernoulli function against more digits, and the ratio of fitted rates."""

from __future__ import annotations

import math

import mpmath
import pytest

from fokkerplanck.discretize.flux import bernoulli, fitted_rates

ARGUMENTS = [0.0, 1e-300, 1e-9, 1e-4, 9.999e-3, 1.0001e-2, 0.099, 0.3, 1.0, 7.0, 40.0, 600.0]


def exact(z: float) -> float:
    if z == 0:
        return 1.0
    with mpmath.workdps(60):
        return float(mpmath.mpf(z) / mpmath.expm1(mpmath.mpf(z)))


@pytest.mark.parametrize("z", [*ARGUMENTS, *(-a for a in ARGUMENTS)])
def test_bernoulli_to_the_last_digits(z: float) -> None:
    assert bernoulli(z) == pytest.approx(exact(z), rel=4e-16, abs=0)


def test_bernoulli_far_out() -> None:
    assert bernoulli(705.0) == pytest.approx(exact(705.0), rel=1e-13, abs=0)
    assert bernoulli(800.0) == 0.0
    assert bernoulli(-1e6) == 1e6


@pytest.mark.parametrize("z", [*ARGUMENTS, *(-a for a in ARGUMENTS)])
def test_rates_keep_detailed_balance(z: float) -> None:
    up, down = fitted_rates(z)
    assert up == pytest.approx(exact(z), rel=1e-15, abs=0)
    assert down == pytest.approx(exact(-z), rel=1e-15, abs=0)
    assert abs(math.log(up) - math.log(down) + z) <= 4e-16 * max(1.0, 2 * abs(z))


@pytest.mark.parametrize("z", [1e3, -1e3, 1e5])
def test_no_edge_loses_a_direction(z: float) -> None:
    up, down = fitted_rates(z)
    assert min(up, down) > 1e-300
    assert max(up, down) == abs(z)
