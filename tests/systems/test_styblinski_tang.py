"""The function of Styblinski and Tang: minima, noise, escape by SGD and by its diffusion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidModel
from fokkerplanck.systems.styblinski_tang import StyblinskiTang


def test_styblinski_tang_minima() -> None:
    f = StyblinskiTang(1, spread=0)
    np.testing.assert_allclose(f.critical_points, [-2.903534, 0.156731, 2.746803], atol=5e-7)
    np.testing.assert_allclose(
        StyblinskiTang(1, 4, 0).critical_points, np.array(f.critical_points) / 2
    )
    # The mean over the samples has its minima elsewhere.
    low, top, high = StyblinskiTang(1).critical_points
    mean = StyblinskiTang(1)
    for place in (low, top, high):
        assert float(sp.diff(mean.loss, mean.variables[0]).subs(mean.variables[0], place)) == (
            pytest.approx(0, abs=1e-8)
        )
    assert low == pytest.approx(-2.35191, abs=1e-5)


@pytest.mark.parametrize("dimension", [1, 2])
def test_styblinski_tang_covariance_is_that_of_the_samples(dimension: int) -> None:
    model = StyblinskiTang(dimension, 3, sp.Rational(1, 2))
    noise = fpk.noise.PerSample(model.sample_loss, model.moments())
    sgd = fpk.SGD(model.sample_loss, model.variables, noise, learning_rate=1)
    assert sp.Matrix(sgd.covariance - model.covariance).applyfunc(sp.expand) == sp.zeros(dimension)
    assert sp.expand(sgd.objective - model.loss) == 0
    (given,) = {model.optimizer(0.1, 4).covariance[0, 0] * 4}
    assert sp.expand(given - model.covariance[0, 0]) == 0


def test_step_of_styblinski_tang_depends_on_the_product_of_rate_and_scale() -> None:
    times = []
    for rate, scale in ((0.04, 1), (0.01, 4)):
        model = StyblinskiTang(1, scale)
        (v,) = model.variables
        wide = 24 / math.sqrt(scale)
        operator = fpk.transition_operator(
            model.optimizer(rate, 2), fpk.Panels(theta_1=(-wide, wide))
        )
        times.append(1 / fpk.escape_rate(operator, model.start, v > model.critical_points[1]).value)
    assert times[0] == pytest.approx(times[1], rel=1e-6)


def test_ten_dimensions_are_ten_times_as_fast() -> None:
    """Coordinates are independent: the survival of ten is the tenth power of one's."""
    one, ten = StyblinskiTang(1), StyblinskiTang(10)
    operator = fpk.transition_operator(one.optimizer(0.02, 2), fpk.Panels(theta_1=(-24, 8)))
    region = one.variables[0] > one.critical_points[1]
    law = fpk.first_passage_distribution(operator, one.start, region, steps=3000)
    mean = 1 + float(np.sum(law.survival[law.steps > 0] ** 10))
    rate = fpk.sample_escape_rate(
        ten.optimizer(0.02, 2), ten.start, ten.left(), paths=400, step=None, seed=5
    )
    assert abs(1 / rate.value - mean) < 3 * rate.standard_error / rate.value**2
    assert mean < 1270 / 9


def test_diffusion_misses_sgd_on_shifted_samples_by_orders_of_magnitude() -> None:
    """The noise is weakest on the slope: SGD leaps over what its diffusion has to climb."""
    model = StyblinskiTang(1)
    region = model.variables[0] > model.critical_points[1]
    for rate, batch, steps, modified in (
        (0.02, 1, 143.404, 7.576e5),
        (0.02, 2, 1270.13, 1.3226e11),
    ):
        sgd = model.optimizer(rate, batch)
        operator = fpk.transition_operator(sgd, fpk.Panels(theta_1=(-24, 8)))
        assert 1 / fpk.escape_rate(operator, model.start, region).value == pytest.approx(
            steps, rel=1e-3
        )
        diffusion = fpk.assemble(sgd.diffusion(), fpk.Grid(theta_1=(-6, 5, 2000)))
        time = 1 / fpk.escape_rate(diffusion, model.start, region).value
        assert time / rate == pytest.approx(modified, rel=1e-2)


def test_refused() -> None:
    with pytest.raises(InvalidModel, match="whole number"):
        StyblinskiTang(0)
    with pytest.raises(InvalidModel, match="single minimum"):
        _ = StyblinskiTang(1, spread=1.6).critical_points
    with pytest.raises(InvalidModel, match="need numbers"):
        _ = StyblinskiTang(1, sp.Symbol("k")).critical_points
