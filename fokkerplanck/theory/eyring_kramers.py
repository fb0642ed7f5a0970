"""Escape rates in any dimension: Eyring, Kramers, Langer; Bouchet and Reygner without balance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.symbols import divergence, gradient, hessian, match_names
from fokkerplanck.results.rate import Rate
from fokkerplanck.theory.barrier import RELATIVE, is_reversible, potential_difference
from fokkerplanck.theory.critical import (
    Coefficients,
    CriticalPoint,
    as_points,
    find_critical_point,
)
from fokkerplanck.theory.expansion import capacity_correction, expand, mass_correction
from fokkerplanck.theory.validity import corrected

__all__ = ["eyring_kramers_rate"]

Array = NDArray[np.float64]


def eyring_kramers_rate(
    diffusion: Diffusion,
    *,
    minimum: Any,
    saddle: Any,
    potential: Any = None,
    barrier: float | None = None,
    order: Literal[1, 2] = 1,
) -> Rate:
    r"""Rate of leaving a well over one saddle, or over several, to their far side.

    With the stationary density ``p = exp(-Phi)``, ``H`` the Hessian of Phi at the minimum a and at
    the saddle b, and ``lambda_+`` the unstable eigenvalue of the force's Jacobian at b,

        ``k = lambda_+/(2 pi) sqrt(det H_a/|det H_b|) exp(-(Phi_b - Phi_a)) / (1 + c)``

    In detailed balance ``F = A - div D = -D grad Phi``, so that ``H = -D^-1 dF`` and ``lambda_+``
    is the positive eigenvalue of ``-D_b H_b``.  `Phi` contains what the convention adds: for
    ``D = g(x) M`` and the drift ``-g M grad V``, ``V`` in the isothermal convention, ``V + (ln
    g)/2`` in that of Stratonovich, ``V + ln g`` in that of Itô.

    Parameters
    ----------
    diffusion : Diffusion
        d variables, any convention, D constant or not.
    minimum, saddle : tuple of d numbers, or list of such
        Near the minima of the well and the saddles out of it: where F vanishes, to which Newton's
        method goes.  Several minima share the well's probability, rates over several saddles add.
    potential : expression, optional
        ``Phi``, where there is no detailed balance but the stationary density is known, as for
        ``F = -(D + J) grad Phi`` with J antisymmetric and constant.  Checked.
    barrier : float, optional
        ``Phi_b - Phi_a`` from elsewhere, for one minimum and one saddle in detailed balance;
        otherwise it is integrated from ``D^-1 F`` on the straight line.
    order : {1, 2}
        2 divides by ``1 + c``, the next order in the noise; in detailed balance only.

    Returns
    -------
    Rate
        `info`: ``barrier`` (over noise, of the lowest saddle above the lowest minimum),
        ``correction`` = c whatever the order asked for, the size of the error at order 1 (None
        without detailed balance), ``detailed_balance``, ``anisotropy`` of D (largest of the
        points), ``growth_rate``, ``prefactor``, ``minimum``, ``saddle``, ``saddle_rates``.

    Raises
    ------
    InvalidModel
        When there is neither detailed balance nor a potential, the potential is not that of the
        stationary density, a point is no minimum or saddle, or the correction is not small.
    NotPositiveSemidefinite
        When the noise is degenerate at one of the points.

    Notes
    -----
    Assumes barriers high against the noise, and that what lies behind the saddles is reached
    without return.  J. S. Langer, Ann. Phys. 54, 258 (1969); F. Bouchet and J. Reygner, Ann. Henri
    Poincaré 17, 3499 (2016).  Derived, with c, in derivations/08_eyring_kramers.py.

    Examples
    --------
    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", real=True)
    >>> V = (x**2 - 1) ** 2 + y**2
    >>> model = Diffusion((x, y), [-V.diff(x), -V.diff(y)], sp.eye(2) / 10)
    >>> rate = eyring_kramers_rate(model, minimum=(-1, 0), saddle=(0, 0))
    >>> rate.value, rate.info["barrier"], rate.info["correction"]
    (4.087e-05, 10.00, 0.0375)
    """
    coefficients = Coefficients(diffusion)
    d = diffusion.dimension
    minima = [
        find_critical_point(coefficients, p, "minimum", 0) for p in as_points(minimum, d, "minimum")
    ]
    saddles = [
        find_critical_point(coefficients, p, "saddle", 1) for p in as_points(saddle, d, "saddle")
    ]
    origin, first = minima[0].position, saddles[0].position
    reversible = is_reversible(coefficients, origin, first)
    if potential is not None:
        exponent = _known_exponent(diffusion, potential, [*minima, *saddles])
    elif reversible:
        exponent = _integrated_exponent(coefficients, origin)
        if barrier is not None:
            if len(minima) + len(saddles) > 2:
                raise InvalidModel("barrier= goes with one minimum and one saddle")
            exponent = _given_exponent(origin, float(barrier))
    else:
        raise InvalidModel(
            f"D^-1 F has a curl near {tuple(map(float, origin))}: no detailed balance, and no "
            "Hessian follows from the force; give potential=Phi of the stationary density "
            "exp(-Phi), or assemble the operator and use escape_rate"
        )
    return _assemble(coefficients, minima, saddles, exponent, reversible, order)


Levels = Callable[[CriticalPoint], tuple[float, Array]]


def _integrated_exponent(coefficients: Coefficients, origin: Array) -> Levels:
    def level(point: CriticalPoint) -> tuple[float, Array]:
        return potential_difference(coefficients, origin, point.position), point.hessian

    return level


def _given_exponent(origin: Array, barrier: float) -> Levels:
    def level(point: CriticalPoint) -> tuple[float, Array]:
        return (0.0 if point.position is origin else barrier), point.hessian

    return level


def _known_exponent(
    diffusion: Diffusion, potential: Any, points: Sequence[CriticalPoint]
) -> Levels:
    """The potential that was given, once it is shown that ``exp(-Phi)`` is stationary.

    With ``l = F + D grad Phi`` the current is ``l p``; it has no divergence where
    ``div l = l . grad Phi``.
    """
    variables = diffusion.variables
    known = match_names(potential, variables)
    slope = sp.Matrix(gradient(known, variables))
    rotation = sp.Matrix(diffusion.force) + sp.Matrix(diffusion.tensor) * slope
    source = divergence(sp.Matrix([list(rotation)]), variables)[0]
    along = [rotation[i] * slope[i] for i in range(len(slope))]
    test = compile_expressions([source, *along, *slope], variables)
    values = compile_expressions([known, *hessian(known, variables)], variables)
    positions = np.array([p.position for p in points])
    centre, spread = positions.mean(axis=0), np.ptp(positions, axis=0).max()
    rng = np.random.default_rng(20230609)
    for _ in range(6):
        point = centre + spread * rng.uniform(-0.5, 0.5, centre.size)
        divergent, *rest = test(*point)
        terms = np.array(rest[: len(along)])
        size = np.abs(terms).sum() + abs(divergent) + np.finfo(float).tiny
        if abs(divergent - terms.sum()) > RELATIVE * size:
            raise InvalidModel(
                f"exp(-Phi) with Phi = {known} is not stationary: at "
                f"{tuple(round(float(c), 4) for c in point)} the current's divergence is "
                f"{divergent - terms.sum():.3g} p"
            )

    def level(point: CriticalPoint) -> tuple[float, Array]:
        height, *second = values(*point.position)
        return float(height), np.array(second, dtype=float).reshape(2 * [len(slope)])

    return level


def _assemble(
    coefficients: Coefficients,
    minima: Sequence[CriticalPoint],
    saddles: Sequence[CriticalPoint],
    exponent: Levels,
    reversible: bool,
    order: int,
) -> Rate:
    """Flux over the saddles by mass of the well, relative to the lowest saddle and minimum."""
    low, high = [exponent(p) for p in minima], [exponent(p) for p in saddles]
    bottom, top = min(h for h, _ in low), min(h for h, _ in high)
    masses = np.array([np.exp(bottom - h) / np.sqrt(np.linalg.det(second)) for h, second in low])
    growth = [float(p.growth_rates[-1]) for p in saddles]
    fluxes = np.array(
        [
            rate / (2 * np.pi) * np.exp(top - h) / np.sqrt(-np.linalg.det(second))
            for rate, (h, second) in zip(growth, high, strict=True)
        ]
    )
    correction = None
    if reversible:
        wells = [mass_correction(expand(coefficients, p)) for p in minima]
        passes = [capacity_correction(expand(coefficients, p)) for p in saddles]
        correction = float(np.average(wells, weights=masses) - np.average(passes, weights=fluxes))
    barrier, prefactor = top - bottom, float(fluxes.sum() / masses.sum())
    rates = fluxes / masses.sum() * np.exp(-barrier)
    info = Info(
        barrier=barrier,
        correction=correction,
        detailed_balance=reversible,
        anisotropy=max(p.anisotropy for p in (*minima, *saddles)),
        growth_rate=max(growth),
        prefactor=prefactor,
        order=order,
        minimum=[tuple(map(float, p.position)) for p in minima],
        saddle=[tuple(map(float, p.position)) for p in saddles],
        saddle_rates=tuple(map(float, rates)),
    )
    value = prefactor * np.exp(-barrier) * corrected(order, correction)
    return Rate(value, "Eyring-Kramers-Langer", info=info)
