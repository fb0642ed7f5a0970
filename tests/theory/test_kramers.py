"""Kramers' formula and its correction against exact integrals, and the solver against both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

import fokkerplanck as fpk
from benchmarks.w2_problem import BARRIERS, BOX, START, TARGET, exact_time
from fokkerplanck.errors import InvalidModel, UnboundSymbol
from fokkerplanck.theory import kramers_rate

x, T = sp.Symbol("x", real=True), sp.Symbol("T", positive=True)
WELL = (x**2 - 1) ** 2
SKEW = x**4 / 4 - x**2 / 2 + x**3 / 15  # minimum at -1.105, barrier at 0 towards 0.905


@pytest.mark.parametrize("barrier", BARRIERS)
def test_mean_time_against_the_exact_double_integral(barrier: float) -> None:
    """1e-4 at n = 2048 up to barrier/noise 100.

    The box ends at +-1.6, where V is 2.4 barriers: beyond, nothing ever goes.  (In +-2 the cells
    are wider, and the error V'' h^2/(12 T) on the ridge is 1.26e-4 at 100.)
    """
    model = fpk.Diffusion((x,), [-WELL.diff(x)], [[1 / barrier]])
    operator = fpk.assemble(model, fpk.Grid(x=(*BOX, 2048)))
    times = fpk.mean_first_passage_time(operator, x > TARGET)
    assert times.values.min() >= 0.0
    mean = fpk.escape_rate(operator, (START,), x > TARGET).info["mean_time"]
    error = mean / exact_time(barrier) - 1
    assert abs(error) < 1e-4
    # It is the error of a second-order scheme on the ridge, and grows no faster than the barrier.
    width = (BOX[1] - BOX[0]) / 2048
    assert -error == pytest.approx(4 * barrier * width**2 / 12, rel=0.25)


@pytest.mark.parametrize("barrier", BARRIERS)
def test_exact_double_integral_by_adaptive_quadrature(barrier: float) -> None:
    def inner(y: float) -> float:
        ends = {"points": [-1.0], "epsrel": 1e-12, "epsabs": 0.0, "limit": 200}
        return float(quad(lambda z: np.exp(-barrier * (z**2 - 1) ** 2), -1.6, y, **ends)[0])

    def outer(y: float) -> float:
        return float(np.exp(barrier * ((y**2 - 1) ** 2 - 1))) * inner(y)

    found = quad(outer, START, TARGET, points=[0.0], epsrel=1e-11, epsabs=0.0, limit=200)[0]
    assert barrier * found * np.exp(barrier) == pytest.approx(exact_time(barrier), rel=1e-10)


def test_error_falls_with_the_order() -> None:
    """Linear in the noise at order 1, quadratic at order 2; the correction is the difference."""
    errors = {}
    for order in (1, 2):
        found = []
        for barrier in (25.0, 50.0, 100.0):
            rate = kramers_rate(WELL, minimum=-1, saddle=0, noise=1 / barrier, order=order)
            found.append(1 / (rate.value * exact_time(barrier)) - 1)
            assert rate.info["barrier"] == pytest.approx(barrier, rel=1e-10)
            assert rate.info["correction"] == pytest.approx(0.375 / barrier, rel=1e-10)
        errors[order] = np.abs(found)
    np.testing.assert_allclose(errors[1][:-1] / errors[1][1:], 2, rtol=0.05)
    np.testing.assert_allclose(errors[2][:-1] / errors[2][1:], 4, rtol=0.1)
    np.testing.assert_allclose(errors[1] * [25, 50, 100], 0.375, rtol=0.05)


def models(noise: float) -> dict[str, fpk.Diffusion]:
    """The same drift and the same noise, which changes in space, in three conventions."""
    strength = 1 + x / 3 + x**2 / 5
    drift = [-strength * SKEW.diff(x)]
    return {
        "ito": fpk.Diffusion((x,), drift, [[noise * strength]]),
        "stratonovich": fpk.Diffusion.from_stratonovich(
            (x,), drift, [[sp.sqrt(2 * noise * strength)]]
        ),
        "isothermal": fpk.Diffusion.from_isothermal((x,), drift, [[noise * strength]]),
    }


@pytest.mark.parametrize("convention", ["ito", "stratonovich", "isothermal"])
@pytest.mark.parametrize("to", ["far side", "ridge"])
def test_multiplicative_noise_in_every_convention(convention: str, to: Any) -> None:
    """What order 2 leaves falls as the noise squared, to the ridge at least as its power 3/2."""
    left = []
    for noise in (0.02, 0.01):
        model = models(noise)[convention]
        rate = kramers_rate(model, minimum=-1.1, saddle=0.0, to=to, order=2)
        target = x > (0.7 if to == "far side" else rate.info["saddle"])
        times = []
        for cells in (400, 800):
            operator = fpk.assemble(model, fpk.Grid(x=(-1.9, 1.5, cells)))
            times.append(1 / fpk.escape_rate(operator, (-1.1,), target).value)
        left.append(rate.value * (4 * times[1] - times[0]) / 3 - 1)
        assert abs(left[-1]) < 0.5 * rate.info["correction"]
    assert abs(left[0]) < 0.02
    assert left[0] / left[1] > (2.9 if to == "far side" else 2.3)


def test_conventions_differ_by_the_ratio_of_the_noise() -> None:
    rates = {
        name: kramers_rate(model, minimum=-1.1, saddle=0, order=1)
        for name, model in models(1e-5).items()
    }
    low = float(rates["isothermal"].info["minimum"])
    ratio = 1 + low / 3 + low**2 / 5
    for name, power in (("ito", 1.0), ("stratonovich", 0.5)):
        logarithms = [
            np.log(rates[key].info["prefactor"]) - rates[key].info["barrier"]
            for key in (name, "isothermal")
        ]
        assert logarithms[0] - logarithms[1] == pytest.approx(power * np.log(ratio), abs=2e-4)


def test_ridge_is_reached_twice_as_often() -> None:
    rates = [
        kramers_rate(WELL, minimum=-1, saddle=0, noise=0.05, to=to) for to in ("far side", "ridge")
    ]
    assert rates[1].value == pytest.approx(2 * rates[0].value, rel=1e-12)
    # A symmetric barrier: the correction is the same.
    assert rates[1].info["correction"] == pytest.approx(rates[0].info["correction"], rel=1e-9)


def test_jumps_of_the_noise_count_as_the_convention_says() -> None:
    noise = 0.04 * sp.Piecewise((1, x < -0.4), (3, True))
    rates = {}
    for name, build in (("ito", fpk.Diffusion), ("isothermal", fpk.Diffusion.from_isothermal)):
        rates[name] = kramers_rate(build((x,), [-WELL.diff(x)], [[noise]]), minimum=-1, saddle=0)
    step = float(WELL.subs(x, -0.4))
    assert rates["isothermal"].info["barrier"] == pytest.approx(
        step / 0.04 + (1 - step) / 0.12, rel=1e-7
    )
    assert rates["isothermal"].value / rates["ito"].value == pytest.approx(3, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"saddle": 1.05}, InvalidModel, r"0 unstable directions .*a saddle has 1"),
        ({"minimum": 0.02}, InvalidModel, r"1 unstable directions .*a minimum has 0"),
        ({"minimum": (1, 2)}, InvalidModel, "tuple of 1 numbers"),
        ({"minimum": "left"}, InvalidModel, "tuple of 1 numbers"),
        ({"minimum": np.nan}, InvalidModel, "not finite"),
        ({"noise": -1}, InvalidModel, "temperature T > 0"),
        ({"noise": None}, InvalidModel, "temperature T > 0"),
        ({"to": "other side"}, InvalidModel, "far side"),
        ({"order": 3}, InvalidModel, "order is 1 or 2"),
        ({"noise": 3.0, "order": 2}, InvalidModel, "too strong for an expansion"),
        ({"noise": T}, UnboundSymbol, "no value for T"),
        ({"model": WELL * T}, InvalidModel, "free symbols"),
        ({"model": sp.Symbol("y", real=True)}, InvalidModel, "no minimum near"),
        ({"model": fpk.Diffusion((x,), [-x], [[1]])}, InvalidModel, "has its own noise"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {"model": WELL, "minimum": -1, "saddle": 0, "noise": 0.1} | arguments
    with pytest.raises(error, match=message):
        kramers_rate(given.pop("model"), **given)


def test_two_variables_are_sent_elsewhere() -> None:
    y = sp.Symbol("y", real=True)
    with pytest.raises(InvalidModel, match="use eyring_kramers_rate"):
        kramers_rate(fpk.Diffusion((x, y), [-x, -y], sp.eye(2)), minimum=0, saddle=1)
