"""Blocks of cells as the states of a smaller chain: rates between them, given all weights."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.levels import Level

__all__ = ["STEEPEST", "coarse_rates"]

Array = NDArray[np.float64]
Index = NDArray[np.int32]

# Share of the conductance that an upwinded rate keeps in the other direction, so that no coarse
# chain falls apart.
BACKFLOW = 0.05
# Largest exponent of a ratio of weights: e^600 times any rate is still a double.
STEEPEST = 600.0


def coarse_rates(
    fine: Level, coarse: Level, rates: Array, log_weights: Array, *, thin: bool = True
) -> tuple[Array, Array]:
    """Rates between the blocks, and the logarithms of the blocks' weights.

    The rates balance if and only if those between the cells do: the currents are sums of the
    cells' currents.  Their symmetric part, the conductance, only decides how large a correction
    is.  The plain sum over a face lets a walker hop two cells at the rate at which it hopped one
    half of the time, hence diffuse twice as fast, where weights and conductances are even; there
    it is thinned.  It is right as it is where the face is a bottleneck, or where one cell holds
    all of a block's weight: thinned rates would overshoot.

    Parameters
    ----------
    rates : (entries,) of the fine level.
    log_weights : (n,) of the fine cells.
    thin : whether to thin at all.
    """
    transfer = fine.down
    assert transfer is not None
    weights, inside, evenness = _blocks(transfer.block, log_weights, coarse.size)
    total = np.zeros(coarse.source.size)
    excess = np.zeros(coarse.source.size)
    within = np.zeros((coarse.size, len(fine.shape)))
    _sum_over_faces(
        fine.first,
        fine.source,
        fine.axes,
        rates,
        inside,
        transfer.block,
        transfer.place,
        transfer.thinning,
        total,
        excess,
        within,
    )
    if not thin:
        excess[:] = 0.0
    balanced = _balanced(
        coarse.first,
        coarse.source,
        coarse.opposite,
        coarse.axes,
        weights,
        evenness,
        total,
        excess,
        within,
    )
    return balanced, weights


def _blocks(block: Index, log_weights: Array, blocks: int) -> tuple[Array, Array, Array]:
    """Logarithms of the blocks' weights, shares of the cells, and evenness of the shares.

    Evenness is the square root of the ratio of the shares' geometric to their arithmetic mean:
    the product over two blocks is the geometric mean of the two ratios.
    """
    largest = np.full(blocks, -np.inf)
    _largest(block, log_weights, largest)
    inside = np.exp(log_weights - largest[block])
    sums = np.bincount(block, inside, minlength=blocks)
    cells = np.bincount(block, minlength=blocks)
    weights = largest + np.log(sums)
    mean = np.bincount(block, log_weights, minlength=blocks) / cells
    return weights, inside / sums[block], np.sqrt(np.exp(mean - weights) * cells)


@njit(cache=True)
def _largest(block: Index, values: Array, largest: Array) -> None:
    for i in range(block.size):
        largest[block[i]] = max(largest[block[i]], values[i])


@njit(cache=True)
def _sum_over_faces(
    first: Index,
    source: Index,
    axes: NDArray[np.uint8],
    rates: Array,
    inside: Array,
    block: Index,
    place: Index,
    thinning: NDArray[np.float32],
    total: Array,
    excess: Array,
    within: Array,
) -> None:
    """Sums of the rates between blocks and of what they should lose, and conductances in blocks."""
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            k = place[p]
            rate = rates[p] * inside[source[p]]
            if k >= 0:
                total[k] += rate
                excess[k] += rate * (1.0 - thinning[p])
            else:
                for a in range(within.shape[1]):
                    if axes[p] >> a & 1:
                        within[block[i], a] += 0.5 * rate


@njit(cache=True)
def _balanced(
    first: Index,
    source: Index,
    opposite: Index,
    axes: NDArray[np.uint8],
    weights: Array,
    evenness: Array,
    total: Array,
    excess: Array,
    within: Array,
) -> Array:
    """Rates with the currents of `total` and thinned conductances, none negative."""
    result = np.empty_like(total)
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            j = source[p]
            back = np.exp(min(weights[i] - weights[j], STEEPEST))
            forth, reverse = total[p], total[opposite[p]] * back
            current, conductance = 0.5 * (forth - reverse), 0.5 * (forth + reverse)
            # Half of each block in series with the face: 1 where all conduct alike.
            near, far, along = 0.0, 0.0, 0
            for a in range(within.shape[1]):
                if axes[p] >> a & 1:
                    near, far, along = near + within[j, a], far + within[i, a] * back, along + 1
            series = 0.0
            if near > 0.0 and far > 0.0:
                series = along * conductance * (1.0 / near + 1.0 / far)
            even = evenness[i] * evenness[j] * min(1.0, series / (1.0 + 0.5 * series))
            lost = even * 0.5 * (excess[p] + excess[opposite[p]] * back)
            result[p] = current + max(conductance - lost, abs(current) + BACKFLOW * conductance)
    return result
