"""Chains of steps: where they end, and where they are after many."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.level import level_function
from fokkerplanck.discretize.panel_regions import region_ends
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import (
    FokkerPlanckError,
    InvalidModel,
    InvalidRegion,
    MetastableWarning,
)
from fokkerplanck.solve.absorb import Absorption, Region, find_region
from fokkerplanck.solve.solvers import LOST

__all__ = [
    "StoppedChain",
    "fitted",
    "masses_after",
    "require_no_estimate",
    "states_after",
    "stopped",
    "visited_again",
]

Array = NDArray[np.float64]

# Share of a cell that counts as nothing: the rounding of its fraction inside a region.
NOTHING = 1e-12
# States up to which powers are formed: their products take 10 s at this size.
DENSE = 2500


@dataclass(frozen=True)
class StoppedChain:
    """A chain of steps that ends where a step lands in a region.

    Attributes
    ----------
    operator : TransitionOperator
        On panels with an edge at every boundary.
    absorption : Absorption
    shares : (regions, n) share of every cell inside each region
    """

    operator: TransitionOperator
    absorption: Absorption
    shares: Array

    @property
    def remaining(self) -> Array:
        """Share of every cell outside the regions, (n,)."""
        return _remaining(self.shares)

    @property
    def matrix(self) -> csc_matrix:
        """One step between the states outside, (m, m), columns summing to 1 or less."""
        return _restricted(self.operator, self.shares, self.absorption.outside)


def require_no_estimate(wanted: bool) -> None:
    """Refuse to estimate the error of an operator of steps from coarser grids.

    Raises
    ------
    InvalidModel
    """
    if wanted:
        raise InvalidModel(
            "the errors of a TransitionOperator are not estimated: solve on a finer grid, or on "
            "panels with more nodes"
        )


def fitted(operator: TransitionOperator, regions: Sequence[Any]) -> TransitionOperator:
    """The operator on panels that have an edge at the boundaries of the regions.

    Cells need none: what a boundary cuts counts by its share.
    """
    panels = operator.grid
    if not isinstance(panels, Panels):
        return operator
    ends = [region_ends(level_function(region, panels.names), panels) for region in regions]
    return operator.with_edges(np.concatenate(ends)) if ends else operator


def stopped(operator: TransitionOperator, targets: Mapping[str, Any]) -> StoppedChain:
    """End a chain where a step lands in a target; what it flies over does not count.

    Parameters
    ----------
    targets : regions by the name that messages give them

    Raises
    ------
    InvalidRegion
        When a region is empty, outside the grid, or all of it, or two overlap.
    """
    operator = fitted(operator, list(targets.values()))
    grid = operator.grid
    regions: tuple[Region, ...] = tuple(find_region(r, grid, role) for role, r in targets.items())
    shares = np.zeros((len(regions), grid.size))
    for k, region in enumerate(targets.values()):
        shares[k] = region_fraction(region, grid).ravel()
    common = int(np.count_nonzero(shares.sum(axis=0) > 1.0 + NOTHING))
    if common:
        raise InvalidRegion(f"{' and '.join(targets)} have {common} cells in common")
    remaining = _remaining(shares)
    outside = np.flatnonzero(remaining > 0.0)
    arrival = np.asarray((operator.matrix.T @ shares.T)[outside]).T
    matrix = _restricted(operator, shares, outside)
    matrix.setdiag(0.0)
    matrix.eliminate_zeros()
    absorption = Absorption(
        grid, regions, outside, matrix, arrival.reshape(-1, outside.size), operator.killing[outside]
    )
    return StoppedChain(operator, absorption, shares)


def visited_again(absorption: Absorption) -> Absorption:
    """Without the states that are left for ever after one step, such as far corners of a grid.

    Noise that is cut off, or acts on velocities alone, does not lead back to them.
    """
    count, labels = connected_components(absorption.matrix, directed=True, connection="strong")
    if count == 1:
        return absorption
    main = int(np.flatnonzero(labels == np.bincount(labels).argmax())[0])
    reached = np.zeros(labels.size, bool)
    graph = csr_matrix(absorption.matrix.T)
    reached[breadth_first_order(graph, main, return_predecessors=False)] = True
    dropped = ~reached & (np.bincount(labels)[labels] == 1)
    kept = np.flatnonzero(~dropped)
    return replace(
        absorption,
        outside=absorption.outside[kept],
        matrix=csc_matrix(absorption.matrix[kept][:, kept]),
        rates=absorption.rates[:, kept],
        lost=absorption.lost[kept],
    )


def _remaining(shares: Array) -> Array:
    remaining = 1.0 - shares.sum(axis=0)
    return np.where(remaining > NOTHING, remaining, 0.0)


def _restricted(operator: TransitionOperator, shares: Array, outside: Any) -> csc_matrix:
    matrix = csc_matrix(operator.matrix[outside][:, outside])
    matrix.data *= _remaining(shares)[outside][matrix.indices]
    return matrix


def masses_after(matrix: csc_matrix, masses: Array, steps: Sequence[float]) -> Array:
    """Masses after these numbers of steps, shape (len(steps), n); see `states_after`.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csc_matrix
    >>> masses_after(csc_matrix([[0.9, 0.2], [0.1, 0.8]]), np.array([1.0, 0.0]), [0, 1, 1000])
    array([[1.  , 0.  ],
           [0.9 , 0.1 ],
           [0.667, 0.333]])
    """
    result = list(states_after(matrix, masses, steps))
    return np.array(result).reshape(len(result), masses.size)


def states_after(matrix: csc_matrix, masses: Array, steps: Sequence[float]) -> Iterator[Array]:
    """Masses after each of these numbers of steps.

    Step by step, or by repeated squaring where that is less work; either way sums of products of
    nonnegative numbers, so that every mass has a relative error of some ``steps * 1e-16``.

    Parameters
    ----------
    matrix : (n, n), nonnegative, columns summing to 1 or less
    masses : (n,)
    steps : increasing whole numbers

    Raises
    ------
    FokkerPlanckError
        When the numbers of steps do not increase from 0 or more.

    Warns
    -----
    MetastableWarning
        When so many steps leave fewer than six digits.
    """
    numbers = np.asarray(steps)
    whole = numbers.astype(np.int64)
    if numbers.ndim != 1 or (whole != numbers).any() or (np.diff(whole, prepend=0) < 0).any():
        raise FokkerPlanckError(f"numbers of steps are whole and increase from 0, not {steps!r}")
    if whole.size and whole[-1] * np.finfo(float).eps > LOST:
        warnings.warn(
            f"after {whole[-1]} steps rounding has taken a share of "
            f"{whole[-1] * np.finfo(float).eps:.1g} of the slowest relaxation; what the chain "
            "tends to is stationary_density or quasi_stationary_density",
            MetastableWarning,
            stacklevel=4,
        )
    size = masses.size
    # A column of a dense product costs a pass over the matrix, as does a step.
    dense = matrix.nnz > 0.2 * size**2 and size <= DENSE
    one_step: Any = matrix.toarray() if dense else csc_matrix(matrix)
    powers: list[Array] = [one_step] if dense else []
    current, at = np.array(masses, dtype=float), 0
    for number in whole:
        gap = int(number) - at
        bits = gap.bit_length()
        new = max(bits - len(powers), 0)
        if dense and gap > new * size + bits:
            while len(powers) < bits:
                powers.append(_squared(powers[-1]))
            for k in range(bits):
                if gap >> k & 1:
                    current = powers[k] @ current
        else:
            for _ in range(gap):
                current = one_step @ current
        at = int(number)
        yield current


def _squared(matrix: Array) -> Array:
    """The square, its columns summing to what those of the matrix say and not to their rounding."""
    square = matrix @ matrix
    if np.abs(matrix.sum(axis=0) - 1.0).max() < NOTHING:
        square /= square.sum(axis=0)
    return square
