"""Quasi-stationary densities: what a process looks like as long as it has not ended."""

from __future__ import annotations

import time as clock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import DisconnectedDomain, InvalidRegion, NotConverged
from fokkerplanck.results.density import Density
from fokkerplanck.solve.absorb import Absorption, absorb
from fokkerplanck.solve.killed import KilledChain
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU
from fokkerplanck.solve.steps import stopped, visited_again

__all__ = ["quasi_stationary_density"]

Array = NDArray[np.float64]

# A step divides what is left of other modes by the ratio of their decay rates; where that is below
# 2 or so, Arnoldi's method is cheaper.
ITERATIONS = 40
# Cells whose mass is below e^-650 of the largest do not count in the bounds of the decay rate:
# their doubles are about to lose digits.
LARGEST = 650.0
# Spread of the bounds below which steps that no longer draw them together have reached rounding,
# some 1e-13 on 200 x 200 cells.
ROUNDING = 1e-11


def quasi_stationary_density(
    operator: FokkerPlanckOperator | TransitionOperator, target: Any = None
) -> Density:
    """Density conditioned on survival, and the rate at which survivors are lost.

    The principal eigenpair ``Q nu = -lambda nu`` of the chain that ends in the target or at
    absorbing walls: ``nu`` is the only density that keeps its shape while its mass decays as
    ``e^(-lambda t)``.

    Parameters
    ----------
    operator : FokkerPlanckOperator or TransitionOperator
        In discrete steps ``K nu = (1 - lambda) nu``: lambda is the probability to end in a step.
    target : region, optional
        SymPy relation such as ``x > 0.8``, And/Or of several, or a predicate of the coordinates.
        Needed where no wall absorbs.

    Returns
    -------
    Density
        Mass 1, zero in the target.  `info` holds ``decay_rate`` (lambda), ``iterations`` and
        ``decay_bounds``: the smallest and largest rate of decay of a single cell, which enclose
        that of the matrix.  For operators that are not monotone, instead of these, ``smallest``,
        ``negative_mass``, ``rounding`` and the ``change`` in one more step.

    Raises
    ------
    InvalidRegion
        When nothing ends the process, or the target is empty, lies outside the grid, holds no
        centre of a cell or all of them.
    DisconnectedDomain
        When the survivors fall into parts: which part is left depends on the start.
    NotConverged

    Warns
    -----
    MetastableWarning
        When an operator that is not monotone leaves fewer than six digits.

    Notes
    -----
    Inverse iteration without subtractions for monotone operators: positive at every step, and
    decay rates of any smallness have all their digits.  Where two decay rates nearly agree it
    starts from the vector of Arnoldi's method.  P. Collet, S. Martínez and J.
    San Martín, Quasi-Stationary Distributions (2013); the bounds are those of Collatz (1942).

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> from fokkerplanck.solve.quasi_stationary import quasi_stationary_density
    >>> x = sp.Symbol("x", real=True)
    >>> grid = fpk.Grid(x=(-1, 1, 200), boundary="absorbing")
    >>> density = quasi_stationary_density(fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid))
    >>> 4 * density.info["decay_rate"] / sp.pi.n()**2
    1.000
    """
    began = clock.perf_counter()
    if target is None and not operator.killing.any():
        raise InvalidRegion(
            "no wall absorbs and no target is given: nothing ends the process; its density is "
            "stationary_density"
        )
    targets = {} if target is None else {"target": target}
    steps = isinstance(operator, TransitionOperator)
    if isinstance(operator, TransitionOperator):
        stop = stopped(operator, targets)
        operator, absorption = stop.operator.generator, visited_again(stop.absorption)
    else:
        absorption = absorb(operator, targets)
    _require_one_part(absorption)
    chain = KilledChain.of(operator, absorption)
    if isinstance(chain.factors, SubtractionFreeLU):
        start = _visits(chain.factors) if steps else np.zeros(chain.cells.size)
        log_masses, evidence = _positive_pair(chain, chain.factors, start)
        masses = np.exp(log_masses)
    else:
        masses, evidence = _signed_pair(chain)
        log_masses = None
    volumes = operator.grid.volumes.ravel()
    logarithm = None
    if log_masses is not None:
        logarithm = chain.on_grid(log_masses, never=-np.inf, inside=-np.inf) - np.log(volumes)
    info = operator.info.extended(
        **chain.info, **evidence, solve_seconds=clock.perf_counter() - began
    )
    values = chain.on_grid(masses, never=0.0) / volumes
    return Density(values, operator.grid, info, log_values=logarithm)


def _require_one_part(absorption: Absorption) -> None:
    count, labels = connected_components(absorption.matrix, directed=True, connection="strong")
    if count > 1:
        sizes = np.sort(np.bincount(labels))[::-1]
        raise DisconnectedDomain(
            f"the survivors fall into {count} parts, of {', '.join(map(str, sizes[:5]))}"
            f"{', ...' if count > 5 else ''} cells, without ways both to and fro: which one is "
            "left depends on the start; make all but one part of the target"
        )


def _visits(factors: SubtractionFreeLU) -> Array:
    """Minus logarithms of the visits to every state from the one most visited.

    An iteration lowers what starts where hardly anything comes by one decay rate over one a step:
    from a uniform start the far corners of a grid would take a hundred.
    """
    begin = np.zeros(factors.size)
    begin[np.argmax(factors.log_solve(np.ones(factors.size)))] = 1.0
    return _normalized(-factors.log_solve(begin))


def _positive_pair(
    chain: KilledChain, factors: SubtractionFreeLU, start: Array
) -> tuple[Array, Info]:
    """Logarithms of the masses, and the evidence."""
    psi, bounds, steps, settled = _inverse_iteration(factors, start)
    if not settled:
        # The second decay rate is close to the first.
        _, vector = _dominant(chain)
        with np.errstate(divide="ignore"):
            start = -np.log(np.abs(vector))
        psi, bounds, more, settled = _inverse_iteration(factors, start)
        steps += more
    if not settled:
        raise NotConverged(
            f"after {steps} inverse iterations the rates at which single cells decay still differ "
            f"by a share of {bounds[1] / bounds[0] - 1:.2g}: parts of the domain decay at nearly "
            "the same rate and hardly exchange anything; make all but one part of the target"
        )
    evidence = Info(
        decay_rate=float(chain.killing @ np.exp(-psi)), decay_bounds=bounds, iterations=steps
    )
    return -psi, evidence


def _inverse_iteration(
    factors: SubtractionFreeLU, psi: Array
) -> tuple[Array, tuple[float, float], int, bool]:
    """Minus logarithms of the masses, bounds of the decay rate, steps, and whether it settled.

    Rates of decay of single cells, ``nu_i / (M^-1 nu)_i``, enclose the principal eigenvalue, and
    every step draws them together until rounding holds them apart.
    """
    spread = np.inf
    for steps in range(1, ITERATIONS + 1):  # noqa: B007
        logarithm = factors.log_solve(np.exp(psi.min() - psi))
        rates = psi.min() - psi - logarithm
        counted = psi - psi.min() < LARGEST
        low, high = float(rates[counted].min()), float(rates[counted].max())
        psi = _normalized(-logarithm)
        settled = high - low < ROUNDING and high - low > 0.5 * spread
        if settled:
            break
        spread = high - low
    return psi, (float(np.exp(low)), float(np.exp(high))), steps, settled


def _normalized(psi: Array) -> Array:
    least = psi.min()
    result: Array = psi - least + np.log(np.exp(least - psi).sum())
    return result


def _signed_pair(chain: KilledChain) -> tuple[Array, Info]:
    """Masses of any sign, and the evidence."""
    rounding = chain.warn_of_lost_digits(chain.times())
    rate, masses = _dominant(chain)
    spent = chain.factors.solve(masses)
    return masses, Info(
        decay_rate=rate,
        change=float(np.abs(rate * spent - masses).sum()),
        rounding=rounding,
        smallest=float(masses.min() / masses.max()),
        negative_mass=float(-np.minimum(masses, 0.0).sum()),
    )


def _dominant(chain: KilledChain) -> tuple[float, Array]:
    """Decay rate and masses by Arnoldi's method on ``M^-1``."""
    size = chain.cells.size
    # Powers of the longest times would leave the range of doubles.
    scale = float(np.abs(chain.factors.solve(np.ones(size))).max())

    def inverse(vector: Array) -> Array:
        positive = chain.factors.solve(np.maximum(vector, 0.0).ravel())
        return (positive - chain.factors.solve(np.maximum(-vector, 0.0).ravel())) / scale

    operator = LinearOperator((size, size), matvec=inverse, dtype=np.float64)
    try:
        values, vectors = eigs(operator, k=1, which="LM", v0=np.ones(size))
    except ArpackNoConvergence as error:
        raise NotConverged(
            "Arnoldi's method found no principal eigenpair: several parts of the domain decay at "
            "nearly the same rate; make all but one part of the target"
        ) from error
    masses = np.real(vectors[:, 0])
    return 1.0 / (scale * float(np.real(values[0]))), masses / masses.sum()
