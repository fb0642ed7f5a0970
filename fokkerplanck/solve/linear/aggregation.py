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
    fine: Level, coarse: Level, rates: Array, log_weights: Array
) -> tuple[Array, Array]:
    """Rates between the blocks, and the logarithms of the blocks' weights.

    The rates balance if and only if those between the cells do: the currents are sums of the
    cells' currents.  Their symmetric part, the conductance, only decides how large a correction
    is. The plain sum over a face lets a walker hop two cells at the rate at which it hopped one
    half of the time, hence diffuse twice as fast, wherever the weight is even in the blocks; it
    is thinned accordingly, and not where one of a block's cells holds all of its weight.

    Parameters
    ----------
    rates : (entries,) of the fine level.
    log_weights : (n,) of the fine cells.
    """
    transfer = fine.down
    assert transfer is not None
    weights, inside, evenness = _blocks(transfer.block, log_weights, coarse.size)
    total = np.zeros(coarse.source.size)
    thinned = np.zeros(coarse.source.size)
    _sum_over_faces(
        fine.first,
        fine.source,
        rates,
        inside,
        evenness,
        transfer.block,
        transfer.place,
        transfer.thinning,
        total,
        thinned,
    )
    return _balanced(coarse.first, coarse.source, coarse.opposite, weights, total, thinned), weights


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
    rates: Array,
    inside: Array,
    evenness: Array,
    block: Index,
    place: Index,
    thinning: NDArray[np.float32],
    total: Array,
    thinned: Array,
) -> None:
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            k = place[p]
            if k >= 0:
                rate = rates[p] * inside[source[p]]
                even = evenness[block[i]] * evenness[block[source[p]]]
                total[k] += rate
                thinned[k] += rate * (1.0 - (1.0 - thinning[p]) * even)


@njit(cache=True)
def _balanced(
    first: Index, source: Index, opposite: Index, weights: Array, total: Array, thinned: Array
) -> Array:
    """Rates with the currents of `total` and the conductances of `thinned`, none negative."""
    result = np.empty_like(total)
    for i in range(first.size - 1):
        for p in range(first[i], first[i + 1]):
            back = np.exp(min(weights[i] - weights[source[p]], STEEPEST))
            forth, reverse = total[p], total[opposite[p]] * back
            current = 0.5 * (forth - reverse)
            conductance = 0.5 * (thinned[p] + thinned[opposite[p]] * back)
            least = abs(current) + BACKFLOW * 0.5 * (forth + reverse)
            result[p] = current + max(conductance, least)
    return result
