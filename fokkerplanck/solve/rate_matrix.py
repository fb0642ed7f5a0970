"""Rates between regions: a Markov chain of few states in place of the whole operator."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csc_matrix

from fokkerplanck.discretize.operator import FokkerPlanckOperator, require_rates
from fokkerplanck.errors import (
    DisconnectedDomain,
    FokkerPlanckError,
    InvalidModel,
    InvalidRegion,
    NotConserving,
)
from fokkerplanck.results.rate_matrix import RateMatrix
from fokkerplanck.solve.absorb import Absorption, absorb
from fokkerplanck.solve.killed import KilledChain
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize
from fokkerplanck.solve.spectrum_chain import ModalChain
from fokkerplanck.solve.spectrum_levels import slowest_modes
from fokkerplanck.solve.stationary import stationary_density

__all__ = ["rate_matrix"]

Array = NDArray[np.float64]


def rate_matrix(
    operator: FokkerPlanckOperator, regions: Mapping[str, Any] | Sequence[Any]
) -> RateMatrix:
    """Rates of the transitions between regions, such as the floors of the wells.

    The chain is on the region that was visited last.  With ``w_i(x)`` the probability to be at x,
    coming last from region i (the stationary density times the backward committor),

        ``k_ij = sum_x w_i(x) r_j(x) / sum_x w_i(x)``,

    where ``r_j(x)`` is the rate of arrival in region j: reactive flux over population.  It is one
    over the mean time from i to j where there are two regions.  Populations and fluxes are those
    of the operator whatever the regions; the chain's relaxation rates tend to the slow ones of
    `spectrum` as the time between regions falls below the time in them, with every digit at any
    barrier.

    Parameters
    ----------
    operator : FokkerPlanckOperator
        A Markov generator without absorbing walls.
    regions : dict of name to region, or sequence of regions
        SymPy relations such as ``x > 0.8``, And/Or of several, or predicates of the coordinates;
        two or more, apart from each other.

    Returns
    -------
    RateMatrix

    Raises
    ------
    InvalidRegion
        When there are fewer than two regions, one is empty, outside the grid or without a centre of
        a cell, or two overlap or touch.
    DisconnectedDomain
        When the domain falls into parts without exchange.
    NotConserving
        When walls absorb.
    InvalidModel
        When the operator has negative rates.

    Notes
    -----
    W. E and E. Vanden-Eijnden, J. Stat. Phys. 123, 503 (2006); P. Metzner, C. Schütte and E.
    Vanden-Eijnden, Multiscale Model. Simul. 7, 1192 (2009), for chains.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> drift = [-40 * x * (x**2 - 1) - 1]
    >>> operator = fpk.assemble(fpk.Diffusion((x,), drift, [[1]]), fpk.Grid(x=(-2, 2, 400)))
    >>> chain = fpk.rate_matrix(operator, {"left": x < -0.9, "right": x > 0.9})
    >>> chain.populations
    array([0.87, 0.12])
    >>> float(chain.relaxation_rates[1] / fpk.spectrum(operator, 2).rates[1])
    0.9999
    """
    began = clock.perf_counter()
    require_rates(operator, "rate_matrix")
    named = _named(regions)
    if not operator.conserving:
        raise NotConserving(
            "walls absorb: nothing keeps the populations; make the wall a region and reflecting"
        )
    if not operator.monotone:
        raise InvalidModel(
            "the operator has negative rates and is no Markov chain; use a monotone scheme such as "
            "Selling()"
        )
    targets = {f"region {name}": region for name, region in named.items()}
    absorption = absorb(operator, targets)
    _require_apart(operator, absorption, tuple(named))
    level = _log_masses(operator)
    departing = absorption.rates
    if operator.potential is None:
        departing = absorb(_reversed(operator, level), targets).rates
    rates, masses = _transitions(operator, absorption, departing, level)
    populations = factorize(rates.T).stationary()
    chain = ModalChain.of(sparse.csc_array(rates.T), np.zeros(len(named)))
    relaxation = slowest_modes(chain, len(named)).rates
    relaxation = relaxation[np.lexsort([relaxation.imag, relaxation.real])]
    if not relaxation.imag.any():
        relaxation = relaxation.real
    info = operator.info.extended(
        solver="SubtractionFree",
        between=float(1.0 - masses[0].sum()),
        imbalance=float(np.abs(masses[1] / populations - 1.0).max()),
        solve_seconds=clock.perf_counter() - began,
    )
    return RateMatrix(tuple(named), rates, populations, relaxation, info)


def _named(regions: Any) -> dict[str, Any]:
    if isinstance(regions, Mapping):
        named = {str(name): region for name, region in regions.items()}
    elif isinstance(regions, Sequence) and not isinstance(regions, str):
        named = {str(k): region for k, region in enumerate(regions)}
    else:
        raise InvalidRegion(f"regions are a dict of name to region or a list, not {regions!r}")
    if len(named) < 2:
        raise InvalidRegion(f"rates are between two regions or more, not {len(named)}")
    return named


def _require_apart(
    operator: FokkerPlanckOperator, absorption: Absorption, names: tuple[str, ...]
) -> None:
    entries = operator.matrix.tocoo()
    linked = entries.data != 0.0
    for i, j in combinations(range(len(names)), 2):
        one, other = (absorption.regions[k].cells for k in (i, j))
        common = int(np.count_nonzero(one & other))
        if common:
            raise InvalidRegion(
                f"the regions {names[i]} and {names[j]} have {common} cells in common"
            )
        touching = linked & (
            (one[entries.row] & other[entries.col]) | (other[entries.row] & one[entries.col])
        )
        if touching.any():
            raise InvalidRegion(
                f"the regions {names[i]} and {names[j]} touch: paths would cross to and fro at a "
                "rate that only the step limits; leave the barrier between them to neither"
            )


def _log_masses(operator: FokkerPlanckOperator) -> Array:
    density = stationary_density(operator)
    with np.errstate(divide="ignore"):
        logarithm = np.log(density.values) if density.log_values is None else density.log_values
    result: Array = (logarithm + np.log(operator.grid.volumes)).ravel()
    return result


def _reversed(operator: FokkerPlanckOperator, level: Array) -> FokkerPlanckOperator:
    """The stationary process backwards in time: rates ``q_xy P_y / P_x`` from x to y."""
    entries = operator.matrix.tocoo()
    kept = (entries.row != entries.col) & np.isfinite(level[entries.row])
    row, column = entries.row[kept], entries.col[kept]
    rates = entries.data[kept] * np.exp(level[column] - level[row])
    matrix = csc_matrix((rates, (column, row)), shape=operator.matrix.shape)
    return FokkerPlanckOperator(matrix, operator.grid, operator.killing, None, True, operator.info)


def _transitions(
    operator: FokkerPlanckOperator, absorption: Absorption, departing: Array, level: Array
) -> tuple[Array, Array]:
    """Rates (m, m); masses in the regions, and masses that were there last, (2, m)."""
    chain = KilledChain.of(operator, absorption)
    assert isinstance(chain.factors, SubtractionFreeLU)  # monotone
    outside = absorption.outside[chain.cells]
    count = len(absorption.regions)
    rates, masses = np.zeros((count, count)), np.zeros((2, count))
    for i, region in enumerate(absorption.regions):
        with np.errstate(divide="ignore"):
            # Flow out of the region in the stationary state, to where paths begin.
            source = np.log(departing[i][chain.cells]) + level[outside]
        unit = source.max()
        if not np.isfinite(unit):
            raise DisconnectedDomain(
                f"nothing leaves region number {i} in the stationary state: noise and drift vanish "
                "at its boundary, or it is never visited again"
            )
        log_time = chain.factors.log_solve(np.exp(source - unit))
        largest = log_time.max()
        time = np.exp(log_time - largest)
        inside = np.exp(level[region.cells] - unit - largest).sum()
        population = inside + time.sum()
        rates[i] = absorption.rates[:, chain.cells] @ time / population
        rates[i, i] = 0.0
        masses[:, i] = np.array([inside, population]) * np.exp(unit + largest)
        if not rates[i].any():
            raise FokkerPlanckError(
                f"the rates out of region number {i} are 0: there is no way to the others, or they "
                "are below the smallest double, 5e-324"
            )
    return rates, masses
