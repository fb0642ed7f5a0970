"""Positive semidefinite tensor fields: check, clip, condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotPositiveSemidefinite

__all__ = ["clip_negative", "extreme_eigenvalues", "require_semidefinite"]

Array = NDArray[np.float64]

# Rank-deficient tensors are computed with a rounding error of a few units in the last place of
# their largest entry; a negative eigenvalue within this share of it is that, not a wrong model.
ROUNDING = 1e-12


def extreme_eigenvalues(tensor: Array) -> tuple[Array, Array]:
    """Smallest and largest eigenvalue of symmetric tensors of shape (d, d, ...).

    Examples
    --------
    >>> import numpy as np
    >>> low, high = extreme_eigenvalues(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> float(low), float(high)
    (1.0, 3.0)
    """
    size = tensor.shape[0]
    if size == 1:
        return tensor[0, 0], tensor[0, 0]
    if size == 2:
        mean: Array = (tensor[0, 0] + tensor[1, 1]) / 2
        radius: Array = np.hypot((tensor[0, 0] - tensor[1, 1]) / 2, tensor[0, 1])
        high: Array = mean + radius
        # det / high is free of the cancellation of mean - radius for nearly singular tensors.
        determinant = tensor[0, 0] * tensor[1, 1] - tensor[0, 1] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            low: Array = np.where(mean > 0, determinant / high, mean - radius)
        lowest: Array = np.where(high == 0, 0.0, low)
        return lowest, high
    stacked = np.moveaxis(tensor, (0, 1), (-2, -1))
    values = np.linalg.eigvalsh(stacked).astype(np.float64, copy=False)
    return values[..., 0], values[..., -1]


def require_semidefinite(tensor: Array, points: Sequence[Any], names: Sequence[str]) -> None:
    """Raise with the worst eigenvalue and its place when a tensor is not semidefinite.

    Raises
    ------
    NotPositiveSemidefinite
    """
    low, _ = extreme_eigenvalues(tensor)
    size = np.abs(tensor).max(axis=(0, 1))
    bad = low < -ROUNDING * size
    if not bad.any():
        return
    worst = np.unravel_index(int(np.argmin(np.where(bad, low, np.inf))), low.shape)
    place = ", ".join(f"{float(np.broadcast_to(p, low.shape)[worst]):.4g}" for p in points)
    raise NotPositiveSemidefinite(
        f"D has eigenvalue {low[worst]:.4g} at ({', '.join(names)}) = ({place}), and is negative "
        f"at {int(bad.sum())} of {bad.size} points; Hessian noise is indefinite near saddles: "
        'use Hessian(scale, negative="clip"), else check the noise model'
    )


def clip_negative(tensor: Array, *, floor: Array) -> Array:
    """``[D - floor I]_+ + floor I``: negative eigenvalues set to zero, the floor kept."""
    size = tensor.shape[0]
    identity = np.eye(size).reshape(size, size, *([1] * (tensor.ndim - 2)))
    stacked = np.moveaxis(tensor - floor * identity, (0, 1), (-2, -1))
    values, vectors = np.linalg.eigh(stacked)
    clipped = (vectors * np.maximum(values, 0.0)[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2)
    result: Array = np.moveaxis(clipped, (-2, -1), (0, 1)) + floor * identity
    return result
