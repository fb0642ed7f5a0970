"""Committors: the probability to reach one region before another."""

from __future__ import annotations

import time as clock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import DisconnectedDomain, InvalidRegion
from fokkerplanck.results.field import Field
from fokkerplanck.solve.absorb import Absorption, absorb, find_region
from fokkerplanck.solve.killed import KilledChain
from fokkerplanck.solve.log_density_passage import expected_cost
from fokkerplanck.solve.log_density_target import reversal_target
from fokkerplanck.solve.steps_passage import step_committor

__all__ = ["committor"]

Array = NDArray[np.float64]


def committor(
    operator: FokkerPlanckOperator | TransitionOperator, source: Any, target: Any
) -> Field:
    """Probability ``q`` to reach the target before the source.

    ``Q^T q = 0`` between the two, ``q = 1`` on the target and 0 on the source.

    Parameters
    ----------
    operator : FokkerPlanckOperator or TransitionOperator
        Absorbing walls end a path without success.  A step of discrete SGD reaches a region where
        it lands in it.
    source, target : regions
        SymPy relations such as ``x > 0.8``, And/Or of several, or predicates of the coordinates,
        without a cell in common.

    Returns
    -------
    Field
        Of second order in the step; 0 where neither is ever reached.  For monotone operators
        between 0 and 1, and small probabilities have all their digits, however small.  Operators
        of `LogDensity` are solved backwards in time, which may exceed 1 by the discretisation
        error: ``info["excess"]`` is by how much before it was cut.

    Raises
    ------
    InvalidRegion
        When a region is empty, lies outside the grid, holds no centre of a cell or all of them, or
        the two overlap.
    DisconnectedDomain
        When no cell between leads to the target.

    Warns
    -----
    MetastableWarning
        When an operator that is not monotone leaves fewer than six digits.

    Notes
    -----
    W. E and E. Vanden-Eijnden, J. Stat. Phys. 123, 503 (2006).

    Examples
    --------
    Free diffusion between two regions:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> from fokkerplanck.solve.committor import committor
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, 10)))
    >>> committor(operator, x < 0.22, x > 0.72).values
    array([0. , 0. , 0.06, 0.26, 0.46, 0.66, 0.86, 1. , 1. , 1. ])
    """
    if isinstance(operator, TransitionOperator):
        return step_committor(operator, source, target)
    began = clock.perf_counter()
    regions = {"source": source, "target": target}
    cells = {role: find_region(r, operator.grid, role).cells for role, r in regions.items()}
    common = int(np.count_nonzero(cells["source"] & cells["target"]))
    if common:
        raise InvalidRegion(f"source and target have {common} cells in common")
    if isinstance(operator, LogDensityOperator) and operator.conserving:
        stop = reversal_target(operator, regions, paying="target")
        values, info = expected_cost(operator, cost=0.0, target=stop)
        info = info.extended(excess=float(max(values.max() - 1.0, 0.0)))
        values = np.minimum(values, 1.0)
    else:
        values, info = _solved(operator, absorb(operator, regions), cells["target"])
    info = operator.info.extended(**info, solve_seconds=clock.perf_counter() - began)
    return Field(values, operator.grid, "committor", info)


def _solved(
    operator: FokkerPlanckOperator, absorption: Absorption, inside: NDArray[np.bool_]
) -> tuple[Array, Info]:
    if not absorption.rates[1].any():
        raise DisconnectedDomain(
            "no cell between the source and the target leads to the target: noise and drift vanish "
            "at its boundary, or the source lies all around it"
        )
    chain = KilledChain.of(operator, absorption)
    values = chain.factors.solve_transpose(absorption.rates[1][chain.cells])
    rounding = 0.0
    if not operator.monotone:
        rounding = chain.warn_of_lost_digits(chain.times())
    info = chain.info.extended(rounding=rounding)
    return chain.on_grid(values, never=0.0, inside=inside), info
