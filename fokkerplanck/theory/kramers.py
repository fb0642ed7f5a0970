"""Kramers' rate over a barrier in one dimension, with the next order of Laplace's method."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import sympy as sp

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.symbols import differentiate
from fokkerplanck.results.rate import Rate
from fokkerplanck.theory.barrier import potential_difference
from fokkerplanck.theory.critical import Coefficients, as_points, find_critical_point
from fokkerplanck.theory.expansion import Exponent, expand, mass_correction
from fokkerplanck.theory.validity import corrected

__all__ = ["kramers_rate"]

Destination = Literal["far side", "ridge"]


def kramers_rate(
    model: Any,
    *,
    minimum: Any,
    saddle: Any,
    noise: Any = None,
    to: Destination = "far side",
    order: Literal[1, 2] = 1,
) -> Rate:
    r"""Rate of leaving a well in one dimension.

    With ``p = exp(-Phi)`` the density without current, and ``D`` at the top of the barrier,

        ``k = D_b sqrt(Phi_a'' |Phi_b''|) / (2 pi) exp(-(Phi_b - Phi_a)) / (1 + c)``

    to the far side of the barrier.  To the ridge itself, from where half of the paths come back, it
    is twice that.  ``c = 0`` at order 1; at order 2 it is what Laplace's method adds, of the order
    of noise over barrier (to the ridge its square root, unless the barrier is symmetric).

    Parameters
    ----------
    model : Diffusion, or expression
        One variable, in any convention; or a potential ``V(x)``, then `noise` is the temperature T
        of ``A = -V'``, ``D = T``.
    minimum, saddle : number
        Near the minimum and the maximum of ``Phi``, where Newton's method ends.  At finite noise
        these are not those of the loss, unless D is constant.
    noise : number, optional
    to : {"far side", "ridge"}
        Where the escape ends.
    order : {1, 2}

    Returns
    -------
    Rate
        `info`: ``barrier`` = Phi_b - Phi_a (barrier over noise), ``correction`` = c of order 2
        whatever the order asked for (the size of the formula's error at order 1), ``prefactor``,
        ``minimum`` and ``saddle`` as found.

    Raises
    ------
    InvalidModel
        When no minimum or maximum is found there, or the correction is not small.
    UnboundSymbol
        When a parameter has no value.

    Notes
    -----
    Assumes a barrier high against the noise, one well and one barrier between start and target.
    H. A. Kramers, Physica 7, 284 (1940); the correction is derived in derivations/07_kramers.py.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> rate = kramers_rate((x**2 - 1) ** 2, minimum=-1, saddle=0, noise=0.1, order=2)
    >>> rate.info["barrier"], rate.info["correction"]
    (10.00, 0.0375)
    >>> 1 / rate.value  # exact 25520
    25382.7
    """
    diffusion = _diffusion(model, noise)
    if to not in get_args(Destination):
        raise InvalidModel(f'an escape ends on the "far side" or on the "ridge", not {to!r}')
    coefficients = Coefficients(diffusion)
    (low,), (high,) = (
        as_points(p, 1, name) for p, name in ((minimum, "minimum"), (saddle, "saddle"))
    )
    bottom = find_critical_point(coefficients, low, "minimum", 0)
    top = find_critical_point(coefficients, high, "saddle", 1)
    barrier = potential_difference(coefficients, bottom.position, top.position)
    curvature = float(bottom.hessian[0, 0])
    growth = float(top.growth_rates[0])
    passages = 1.0 if to == "far side" else 2.0
    prefactor = passages / (2 * np.pi) * np.sqrt(growth * float(top.tensor[0, 0]) * curvature)
    side = 0.0 if to == "far side" else float(np.sign(bottom.position[0] - top.position[0]))
    correction = mass_correction(expand(coefficients, bottom)) + barrier_correction(
        expand(coefficients, top), side
    )
    info = Info(
        barrier=barrier,
        correction=correction,
        prefactor=prefactor,
        order=order,
        to=to,
        minimum=float(bottom.position[0]),
        saddle=float(top.position[0]),
    )
    return Rate(prefactor * np.exp(-barrier) * corrected(order, correction), "Kramers", info=info)


def barrier_correction(exponent: Exponent, side: float = 0.0) -> float:
    r"""Next order of ``int exp(Phi)/D`` over the top of a barrier, relative to its leading order.

    ``Phi = -mu z^2/2 + Phi_3 z^3/6 + Phi_4 z^4/24`` and ``D = D_b (1 + d_1 z + d_2 z^2/2)``.

    Parameters
    ----------
    side : {0, -1, 1}
        0 for the whole line, otherwise the sign of z on the half that counts, whose odd terms do
        not cancel.
    """
    mu, third, fourth = (
        float(t.ravel()[0]) for t in (-exponent.second, exponent.third, exponent.fourth)
    )
    first, second = (
        float((t / exponent.tensor.item()).ravel()[0])
        for t in (exponent.tensor_first, exponent.tensor_second)
    )
    even = (
        fourth / (8 * mu**2)
        + 5 * third**2 / (24 * mu**3)
        - first * third / (2 * mu**2)
        + (first**2 - second / 2) / mu
    )
    odd = np.sqrt(2 / (np.pi * mu)) * (third / (3 * mu) - first)
    return float(even + side * odd)


def _diffusion(model: Any, noise: Any) -> Diffusion:
    if isinstance(model, Diffusion):
        if noise is not None:
            raise InvalidModel("a Diffusion has its own noise; noise goes with a potential")
        diffusion = model
    else:
        potential = sp.sympify(model)
        free = sorted(potential.free_symbols, key=str)
        if len(free) != 1:
            raise InvalidModel(
                f"the potential {potential} has the free symbols {free}: it needs one, the "
                "coordinate; give the others numbers, or give a Diffusion"
            )
        if noise is None or not sp.sympify(noise).is_positive:
            raise InvalidModel(f"with a potential, noise is the temperature T > 0, not {noise!r}")
        diffusion = Diffusion(free, [-differentiate(potential, free[0])], [[noise]])
    if diffusion.dimension != 1:
        raise InvalidModel(
            f"Kramers' formula has one variable, not {diffusion.variables}: use eyring_kramers_rate"
        )
    return diffusion
