"""Density diffusion: the test bed of two parabolas against the solver, in both conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import DisconnectedWarning, InvalidModel, NotPositiveSemidefinite
from fokkerplanck.theory import density_diffusion_rate, eyring_kramers_rate

theta, phi = sp.symbols("theta phi", real=True)


def parabolas(well: float, barrier: float, strength: float) -> tuple[fpk.SGD, float, float]:
    """SGD with noise ``2B/eta D = |H|`` on either side of theta_c, the saddle and theta_c.

    Loss barrier 1, D = strength |H|.
    """
    junction = float(np.sqrt(2 / (well * (1 + well / barrier))))
    top = junction * (1 + well / barrier)
    inside = theta < junction
    loss = sp.Piecewise((well * theta**2 / 2, inside), (1 - barrier * (theta - top) ** 2 / 2, True))
    noise = fpk.noise.Covariance([[sp.Piecewise((well, inside), (barrier, True))]])
    return fpk.SGD(loss, theta, noise, learning_rate=2 * strength), top, junction


def solved(sgd: fpk.SGD, top: float, junction: float, convention: str) -> float:
    """Mean time from the minimum to far beyond the saddle; the jump of D is a face of the grid."""
    model = sgd.diffusion()
    if convention == "isothermal":
        model = fpk.Diffusion.from_isothermal((theta,), model.drift, model.tensor)
    width = junction / round(1200 * junction / top)
    low, high = round(1.4 * top / width), round(1.9 * top / width)
    grid = fpk.Grid(theta=(-low * width, high * width, low + high))
    operator = fpk.assemble(model, grid)
    return 1 / fpk.escape_rate(operator, (0.0,), theta > 1.6 * top).value


@pytest.mark.parametrize(
    ("well", "barrier", "strength", "formula", "exact"),
    [
        (1, 1, 0.1, 1.384e5, 1.384e5),
        (1, 1, 0.07, 1.006e7, 1.006e7),
        (4, 1, 0.05, 1.518e8, 1.439e8),
        (4, 1, 0.03, 1.268e13, 1.240e13),
    ],
)
def test_solver_against_the_formula_in_the_isothermal_convention(
    well: float, barrier: float, strength: float, formula: float, exact: float
) -> None:
    sgd, top, junction = parabolas(well, barrier, strength)
    rate = density_diffusion_rate(sgd, minimum=0, saddle=top)
    assert 1 / rate.value == pytest.approx(formula, rel=5e-4)
    assert rate.info["path_fraction"] == pytest.approx(barrier / (well + barrier), rel=1e-9)
    assert rate.info["path_barrier"] == pytest.approx(rate.info["barrier"], rel=5e-3)
    assert not rate.info["noise_vanishes"]
    assert solved(sgd, top, junction, "isothermal") == pytest.approx(exact, rel=4e-3)


@pytest.mark.parametrize(("well", "barrier"), [(4, 1), (1, 4)])
def test_ito_is_slower_by_the_ratio_of_the_curvatures(well: float, barrier: float) -> None:
    """Up to the tails of the two parabolas beyond the junction, exp(-0.2 / (4 strength))."""
    left = []
    for strength in (0.02, 0.01):
        sgd, top, junction = parabolas(well, barrier, strength)
        isothermal, ito = (
            density_diffusion_rate(sgd, minimum=0, saddle=top, convention=c)
            for c in ("isothermal", "ito")
        )
        assert isothermal.value / ito.value == pytest.approx(barrier / well, rel=1e-9)
        times = [solved(sgd, top, junction, c) for c in ("isothermal", "ito")]
        left.append(times[1] / times[0] / (barrier / well) - 1)
        assert times[1] * ito.value == pytest.approx(1, abs=2 * np.exp(-0.05 / strength))
        # The wrong convention is off by a factor of four.
        assert abs(np.log(times[1] * isothermal.value)) > 1.2
    assert abs(left[1]) < 0.005
    assert abs(left[0]) > 4 * abs(left[1])


def test_white_noise_is_eyring_kramers_langer_in_the_plane() -> None:
    loss = (theta**2 - 1) ** 2 + 3 * (phi - theta**2 / 2) ** 2
    sgd = fpk.SGD(loss, (theta, phi), fpk.noise.Isotropic(2), learning_rate=0.4, batch_size=8)
    points: dict[str, Any] = {"minimum": (-1, 0.5), "saddle": (0, 0)}
    rate = density_diffusion_rate(sgd, **points)
    langer = eyring_kramers_rate(sgd.diffusion(), **points)
    assert rate.value == pytest.approx(langer.value, rel=1e-9)
    assert rate.info["tensor_ratio"] == pytest.approx(1)
    assert rate.info["barrier"] == pytest.approx(20.0)


def test_hessian_noise_in_the_plane_is_the_formula_of_sgd() -> None:
    """And the literal diffusion never escapes: the noise vanishes where the curvature does."""
    loss = (theta**2 - 1) ** 2 + 3 * phi**2
    sgd = fpk.SGD(loss, (theta, phi), fpk.noise.Hessian(1), learning_rate=0.2, batch_size=10)
    with pytest.warns(DisconnectedWarning, match="never escapes along it"):
        rate = density_diffusion_rate(sgd, minimum=(-1, 0), saddle=(0, 0), path_fraction=0.25)
    exponent = 2 * 10 / 0.2 * (0.25 / 8 + 0.75 / 4)
    assert 1 / rate.value == pytest.approx(2 * np.pi / 4 * np.exp(exponent), rel=1e-9)
    assert rate.info["noise_vanishes"]
    assert rate.info["path_barrier"] == np.inf
    # -ln(rate) is linear in B and 1/eta.
    slower = fpk.SGD(loss, (theta, phi), fpk.noise.Hessian(1), learning_rate=0.1, batch_size=10)
    with pytest.warns(DisconnectedWarning):
        larger = density_diffusion_rate(slower, minimum=(-1, 0), saddle=(0, 0), path_fraction=0.25)
    assert larger.info["barrier"] == pytest.approx(2 * rate.info["barrier"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path_fraction": 1.5}, InvalidModel, r"lies in \(0, 1\)"),
        ({"convention": "stratonovich"}, InvalidModel, "isothermal"),
        ({"saddle": -1.0}, InvalidModel, "a saddle has 1"),
        ({"model": fpk.Diffusion((theta,), [-theta], [[1]])}, InvalidModel, "SGD or SGLD"),
        (
            {
                "model": fpk.SGD(
                    (theta**2 - 1) ** 2, theta, fpk.noise.Covariance([[theta**2]]), learning_rate=1
                )
            },
            NotPositiveSemidefinite,
            "no noise along the escape direction",
        ),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    sgd = fpk.SGD((theta**2 - 1) ** 2, theta, fpk.noise.Isotropic(1), learning_rate=0.1)
    given: dict[str, Any] = {"model": sgd, "minimum": -1, "saddle": 0} | arguments
    with pytest.raises(error, match=message):
        density_diffusion_rate(given.pop("model"), **given)
