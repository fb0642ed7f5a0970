"""Standard errors of correlated samples, from the spread of independent groups of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import FokkerPlanckError

__all__ = ["BATCHES", "FEW", "group_means", "shares", "standard_error"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# An error estimated from n groups is itself off by 1/sqrt(2 (n - 1)): from 8 groups a quarter.
# With fewer paths every path is cut along time until there are at least BATCHES groups.
FEW, BATCHES = 8, 32


def _group_of(times: int, paths: int) -> Integers:
    """Number of the group of every sample, shape (times, paths): a path, or a batch of one."""
    batches = 1 if paths >= FEW else min(times, -(-BATCHES // paths))
    along = np.arange(times) * batches // times
    return along[:, np.newaxis] * paths + np.arange(paths)


def group_means(values: Array) -> Array:
    """Mean over each group, shape (groups, components)."""
    group = _group_of(*values.shape[:2]).ravel()
    counts = np.bincount(group)
    columns = values.reshape(-1, values.shape[2]).T
    return np.stack([np.bincount(group, column) / counts for column in columns], axis=-1)


def standard_error(values: Array, transform: Callable[[Array], Array]) -> Array:
    """Standard error of the mean of `transform` over samples of shape (times, paths, d)."""
    means = group_means(transform(values))
    if means.shape[0] < 2:
        raise FokkerPlanckError("one sample has no standard error; use more paths or times")
    error: Array = means.std(axis=0, ddof=1) / np.sqrt(means.shape[0])
    return error


def shares(cells: Integers, size: int) -> tuple[Array, Array | None]:
    """Share of the samples in each cell and its standard error, from the spread across groups."""
    group = _group_of(*cells.shape)
    groups = int(group.max()) + 1
    inside = cells >= 0
    counts = np.bincount(cells[inside], minlength=size)
    share = counts / cells.size
    if groups < 2:
        return share, None
    lengths = np.bincount(group.ravel())
    # Only pairs of group and cell that occur: a table of all would be groups times cells.
    pairs, occurrences = np.unique(group[inside] * size + cells[inside], return_counts=True)
    within = occurrences / lengths[pairs // size]
    squares = np.bincount(pairs % size, within**2, minlength=size)
    means = np.bincount(pairs % size, within, minlength=size) / groups
    variance = np.maximum(squares / groups - means**2, 0.0) / (groups - 1)
    # An empty cell has spread 0; one sample in one group would have given this much.
    single = 1.0 / (lengths.max() * groups)
    return share, np.where(counts > 0, np.sqrt(variance), single)
