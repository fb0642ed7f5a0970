"""Entropy production, read off the rates of the operator."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator, require_rates
from fokkerplanck.errors import GridMismatch, InvalidModel, NotConserving, NotNormalizable
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import Field

__all__ = ["EntropyProduction", "entropy_production"]

Array = NDArray[np.float64]
Cells = NDArray[np.intp]

# Rounding of the logarithm of a ratio of two flows: that of four logarithms.
EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class EntropyProduction:
    """Rate at which a density produces entropy, in units of Boltzmann's constant.

    Attributes
    ----------
    total : float
        Nonnegative.
    field : Field
        Per unit volume: half of each edge's share counts at either end.
    housekeeping, excess : float or None
        What keeps the stationary state going, and what comes from relaxing towards it; their sum
        is `total`.  None where no stationary density was given.
    info : Info
        ``rounding``: what `total` would be if every edge were in balance to rounding only.
    """

    total: float
    field: Field
    housekeeping: float | None = None
    excess: float | None = None
    info: Info = attribute(default_factory=Info)


def entropy_production(
    operator: FokkerPlanckOperator, density: Density, *, stationary: Density | None = None
) -> EntropyProduction:
    """``sigma = sum_edges (q_xy P_x - q_yx P_y) log(q_xy P_x / (q_yx P_y))``.

    In the limit of small steps ``integral J . D^-1 J / p``, to second order; zero in detailed
    balance and positive otherwise.

    Parameters
    ----------
    operator : FokkerPlanckOperator
        A Markov generator, every edge of which leads both ways, without absorbing walls.
    density : Density
        On the operator's grid, stationary or not.  Its logarithm is used where it is known beyond
        the range of doubles.
    stationary : Density, optional
        The stationary density ``pi``, to part the total into ``housekeeping``, the flows times
        ``log(q_xy pi_x / (q_yx pi_y))``, and ``excess``, the rest.

    Returns
    -------
    EntropyProduction

    Raises
    ------
    InvalidModel
        When the operator has negative rates, or edges that lead one way only: the noise vanishes
        along them, and the entropy production is infinite.
    NotConserving
        When walls absorb.
    NotNormalizable
        When the density is negative, or zero next to a cell where it is not.
    GridMismatch
        When the grids differ.

    Notes
    -----
    J. Schnakenberg, Rev. Mod. Phys. 48, 571 (1976); M. Esposito and C. Van den Broeck, Phys. Rev.
    Lett. 104, 090601 (2010), for the two parts.

    Examples
    --------
    A spring that also turns at the angular frequency 2 produces ``2 omega^2 / k = 8``:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> turning = fpk.Diffusion((x, y), [-x - 2 * y, 2 * x - y], sp.eye(2))
    >>> operator = fpk.assemble(turning, fpk.Grid(x=(-6, 6, 160), y=(-6, 6, 160)))
    >>> fpk.entropy_production(operator, fpk.stationary_density(operator)).total
    8.0
    """
    require_rates(operator, "entropy_production")
    _require_chain(operator)
    level = _log_masses(operator, density)
    one, other, there, back = _edges(operator)
    with np.errstate(invalid="ignore"):
        affinity = (there + level[one]) - (back + level[other])
    # Where both ends are empty nothing flows.
    affinity = np.where(np.isneginf(level[one]) & np.isneginf(level[other]), 0.0, affinity)
    if np.isinf(affinity).any():
        edge = int(np.argmax(np.isinf(affinity)))
        empty = int(other[edge] if np.isneginf(level[other[edge]]) else one[edge])
        raise NotNormalizable(
            f"the density is zero in {np.count_nonzero(np.isneginf(level))} cells, and not in "
            f"neighbours of theirs, as at {_place(operator, empty)}: the flow into them produces "
            "infinite entropy; use a solved density, which is positive, or a smaller grid"
        )
    flow = np.exp(np.maximum(there + level[one], back + level[other]))
    shares = -flow * np.abs(affinity) * np.expm1(-np.abs(affinity))
    size = operator.grid.size
    by_cell = 0.5 * (np.bincount(one, shares, size) + np.bincount(other, shares, size))
    spread = EPS * np.maximum(1.0, np.abs(there + level[one]))
    rounding = float(np.sum(flow * np.where(flow > 0.0, spread, 0.0) ** 2))
    info = density.info.extended(edges=int(one.size), rounding=rounding)
    values = by_cell.reshape(operator.grid.shape) / operator.grid.volumes
    total = float(shares.sum())
    housekeeping = None
    if stationary is not None:
        rest = _log_masses(operator, stationary)
        net = -flow * np.sign(affinity) * np.expm1(-np.abs(affinity))
        force = (there + rest[one]) - (back + rest[other])
        housekeeping = float(np.sum(net * np.where(net != 0.0, force, 0.0)))
    return EntropyProduction(
        total,
        Field(values, operator.grid, "entropy production", info),
        housekeeping,
        None if housekeeping is None else total - housekeeping,
        info,
    )


def _require_chain(operator: FokkerPlanckOperator) -> None:
    if not operator.monotone:
        raise InvalidModel(
            "the operator has negative rates, whose logarithm has no meaning; use a monotone "
            "scheme such as Selling()"
        )
    if not operator.conserving:
        raise NotConserving(
            "walls absorb and nothing comes back through them: the entropy production is infinite"
        )


def _log_masses(operator: FokkerPlanckOperator, density: Density) -> Array:
    grid = operator.grid
    if density.grid != grid:
        raise GridMismatch(f"the density lives on {density.grid}, the operator on {grid}")
    values = density.values
    if values.min() < 0.0:
        raise NotNormalizable(
            f"the density is negative in {int((values < 0).sum())} cells, where its logarithm has "
            "no meaning; use a monotone scheme such as Selling()"
        )
    with np.errstate(divide="ignore"):
        logarithm = np.log(values) if density.log_values is None else density.log_values
    result: Array = (logarithm + np.log(grid.volumes)).ravel()
    return result


def _edges(operator: FokkerPlanckOperator) -> tuple[Cells, Cells, Array, Array]:
    """Ends of every edge, and the logarithms of its rates there and back."""
    entries = operator.matrix.tocoo()
    moving = (entries.row != entries.col) & (entries.data != 0.0)
    column, row = entries.col[moving].astype(np.intp), entries.row[moving].astype(np.intp)
    rate = entries.data[moving]
    up, down = column < row, column > row
    size = operator.grid.size
    keys, mirrored = column[up] * size + row[up], row[down] * size + column[down]
    lonely = np.setxor1d(keys, mirrored)
    if lonely.size:
        raise InvalidModel(
            f"{lonely.size} edges lead one way only, as at "
            f"{_place(operator, int(lonely[0]) // size)}: the noise vanishes along them and the "
            "entropy production is infinite; add noise there"
        )
    order, match = np.argsort(keys), np.argsort(mirrored)
    one, other = column[up][order], row[up][order]
    return one, other, np.log(rate[up][order]), np.log(rate[down][match])


def _place(operator: FokkerPlanckOperator, cell: int) -> str:
    grid = operator.grid
    points = [np.broadcast_to(axis, grid.shape).ravel()[cell] for axis in grid.mesh]
    return f"({', '.join(grid.names)}) = ({', '.join(f'{p:.4g}' for p in points)})"
