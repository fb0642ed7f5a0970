"""How far the exponent of a density rises from one point to another."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import IntegrationWarning, quad

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import FokkerPlanckError, InvalidModel
from fokkerplanck.theory.critical import Coefficients

__all__ = ["is_reversible", "potential_difference"]

Array = NDArray[np.float64]

# Share by which mixed partial derivatives may differ, as for symbolic potentials: parameters are
# often floats with 16 digits, and their products cancel to a few units less.
RELATIVE = 1e-9
POINTS = 6
SEED = 20230609
# Absolute error of Phi, and so relative error of a rate, that an integral may have.
TOLERANCE = 1e-6
POWERS = {"ito": 1.0, "stratonovich": 0.5, "isothermal": 0.0}


def is_reversible(coefficients: Coefficients, start: Array, stop: Array) -> bool:
    """Whether ``D^-1 F`` has no curl at random points between and around two points."""
    if coefficients.diffusion.dimension == 1:
        return True
    rng, reach = np.random.default_rng(SEED), float(np.linalg.norm(stop - start)) / 4
    tested = 0
    for _ in range(10 * POINTS):
        share = rng.uniform(-0.25, 1.25)
        point = start + share * (stop - start) + reach * rng.uniform(-1, 1, start.size)
        try:
            asymmetry = coefficients.asymmetry(point)
        except (FokkerPlanckError, np.linalg.LinAlgError):
            # Outside the domain of a root or a logarithm.
            continue
        if asymmetry > RELATIVE:
            return False
        tested += 1
        if tested == POINTS:
            return True
    raise InvalidModel(
        f"the coefficients are finite at {tested} of {10 * POINTS} points around the minimum and "
        "the saddle: detailed balance cannot be tested; give the potential"
    )


def potential_difference(coefficients: Coefficients, start: Array, stop: Array) -> float:
    """``Phi(stop) - Phi(start)`` of a diffusion in detailed balance, on the straight line.

    In one dimension without derivatives of D, so that its jumps count as its convention says.

    Raises
    ------
    InvalidModel
        When the integral is not accurate to 1e-6, because the line meets a singularity.
    """
    model = coefficients.diffusion
    along = stop - start
    offset = 0.0
    if model.dimension == 1:
        drift, tensor = model.given[0], model.tensor[0, 0]
        values = compile_expressions([drift, tensor], model.variables)
        ends = [values(np.asarray(p[0]))[1] for p in (start, stop)]
        offset = POWERS[model.convention] * float(np.log(ends[1] / ends[0]))

        def slope(share: float) -> float:
            force, noise = values(np.asarray(start[0] + share * along[0]))
            return float(-force / noise * along[0])

    else:

        def slope(share: float) -> float:
            return float(coefficients.slope(start + share * along) @ along)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", IntegrationWarning)
        value, error = quad(slope, 0.0, 1.0, epsabs=0.1 * TOLERANCE, epsrel=1e-12, limit=400)
    if not (np.isfinite(value) and error <= TOLERANCE):
        raise InvalidModel(
            f"the potential difference from {start} to {stop} is {value:.6g} with an estimated "
            f"error of {error:.1g}: the noise vanishes, or the coefficients are singular, on the "
            "line between; give barrier="
        )
    return offset + float(value)
