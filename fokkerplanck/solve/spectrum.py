"""Relaxation rates and modes of an operator."""

from __future__ import annotations

import time as clock
import warnings

import numpy as np
from scipy import sparse

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import InvalidModel, MetastableWarning
from fokkerplanck.results.spectrum import Spectrum
from fokkerplanck.solve.solvers import LOST
from fokkerplanck.solve.spectrum_chain import ModalChain
from fokkerplanck.solve.spectrum_levels import Modes, slowest_modes
from fokkerplanck.solve.steps_spectrum import modes_of_steps

__all__ = ["spectrum"]


def spectrum(operator: FokkerPlanckOperator | TransitionOperator, count: int) -> Spectrum:
    """The slowest relaxation rates, ``Q r = -lambda r``, with their modes.

    Parameters
    ----------
    operator : FokkerPlanckOperator
        Or a `transition_operator` K, whose modes decay as ``(1 - lambda)^steps``: its eigenvalues
        of largest modulus are taken, also those near -1 of an iterate that alternates, and are in
        ``info["eigenvalues"]``.
    count : int
        Number of rates: those of smallest modulus, the rate 0 included.  One more where that
        would part a conjugate pair.

    Returns
    -------
    Spectrum
        Rates by rising real part.  Without absorbing walls the first is 0 and its right mode the
        stationary density; with them it is the decay rate of `quasi_stationary_density`.  For
        monotone operators every rate has its digits, however slow: ``info["errors"]`` estimates
        them one by one.

    Raises
    ------
    InvalidModel
        When `count` is not between 1 and the number of cells.
    DisconnectedDomain
        When the domain falls into parts that are never left: several rates are 0.
    NotConverged
        When the wanted rates lie too close together, or an operator that is not monotone has lost
        them to rounding.

    Warns
    -----
    MetastableWarning
        When fewer than six digits of a rate are certain.

    Notes
    -----
    Block Lanczos (in detailed balance) or Arnoldi iteration on the group inverse of Q, in the
    coordinates of ``L^2(1/p)``.  Its products are solves without subtractions, so that
    its largest eigenvalues, one over the slowest rates, have all their digits; the faster rates
    follow with the slow modes projected out and the resolvent taken at a shift of their size.
    C. D. Meyer, SIAM Review 17, 443 (1975), for the group inverse; C. Schütte and M. Sarich,
    Metastability and Markov State Models (2013), for what slow modes mean.

    Examples
    --------
    Particles on a spring relax at multiples of its rate:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-7, 7, 1400)))
    >>> fpk.spectrum(operator, 4).rates.round(3)
    array([0., 1., 2., 3.])

    A barrier of 40 noise strengths leaves a rate that double precision alone does not see:

    >>> drift = [-160 * x * (x**2 - 1)]
    >>> wells = fpk.assemble(fpk.Diffusion((x,), drift, [[1]]), fpk.Grid(x=(-2, 2, 400)))
    >>> print(f"{fpk.spectrum(wells, 2).rates[1]:.3e}")
    3.035e-16
    """
    began = clock.perf_counter()
    steps = operator if isinstance(operator, TransitionOperator) else None
    if isinstance(operator, TransitionOperator):
        operator = operator.generator
    size = operator.grid.size
    if not (isinstance(count, (int, np.integer)) and 1 <= count <= size):
        raise InvalidModel(f"count is a number of rates from 1 to {size}, not {count!r}")
    log_weights = None
    if operator.potential is not None:
        log_weights = np.log(operator.grid.volumes.ravel()) - operator.potential
    chain = ModalChain.of(
        sparse.csc_array(operator.matrix),
        operator.killing,
        log_weights=log_weights,
        monotone=operator.monotone,
        shape=operator.grid.shape if isinstance(operator.grid, Grid) else None,
    )
    if steps is None:
        modes = slowest_modes(chain, int(count))
    else:
        modes = modes_of_steps(steps, chain, int(count))
        eigenvalues = 1.0 - modes.rates[np.lexsort([modes.rates.imag, modes.rates.real])]
        operator = operator.with_info(eigenvalues=tuple(eigenvalues.tolist()))
    worst = float(modes.errors.max())
    if not worst < LOST:
        warnings.warn(
            f"the rate {modes.rates[np.argmax(modes.errors)]:.4g} is uncertain by a share of "
            f"{worst:.1g}: "
            + (
                "its modes are ill conditioned"
                if operator.monotone
                else "SparseLU lost the digits; use a monotone scheme such as Selling()"
            ),
            MetastableWarning,
            stacklevel=2,
        )
    return _spectrum(operator, chain, modes, began)


def _spectrum(
    operator: FokkerPlanckOperator, chain: ModalChain, modes: Modes, began: float
) -> Spectrum:
    order = np.lexsort([modes.rates.imag, modes.rates.real])
    rates = modes.rates[order]
    right = modes.right[:, order] * chain.scale[:, np.newaxis]
    left = modes.left[:, order] / chain.scale[:, np.newaxis]
    # Observables of mean square 1 in the stationary state, positive where they matter most.
    condition = np.linalg.norm(modes.right, axis=0) * np.linalg.norm(modes.left, axis=0)
    length = np.linalg.norm(modes.left[:, order], axis=0)
    top = modes.left[np.abs(modes.left[:, order]).argmax(axis=0), order]
    factor = np.abs(top) / top / length
    left, right = left * factor, right / factor.conj()
    if not rates.imag.any():
        rates, left, right = rates.real, left.real, right.real
    volumes = operator.grid.volumes.ravel()[:, np.newaxis]
    shape = (rates.size, *operator.grid.shape)
    info = operator.info.extended(
        solver="SubtractionFree" if chain.monotone else "SparseLU",
        reversible=chain.symmetric,
        errors=tuple(modes.errors[order].tolist()),
        residuals=tuple(modes.residuals[order].tolist()),
        condition=tuple(condition[order].tolist()),
        shifts=modes.shifts,
        solve_seconds=clock.perf_counter() - began,
    )
    return Spectrum(
        rates, (right / volumes).T.reshape(shape), left.T.reshape(shape), operator.grid, info
    )
