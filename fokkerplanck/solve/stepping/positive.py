"""Combinations of positive vectors that stay positive, of the same order and the same mass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["combination"]

Array = NDArray[np.float64]

# Ratio to the reference below which a combination is bent; the curve's slope is continuous there.
BEND = 0.5


def combination(
    vectors: Sequence[Array], weights: Sequence[float], reference: Array | None
) -> tuple[Array, float]:
    """``sum_k w_k v_k``, bent away from negative values, and how much that changed it in L1.

    No linear method above first order keeps every density nonnegative (C. Bolley and M. Crouzeix,
    RAIRO Anal. Numér. 12, 237 (1978)), so this is not linear: where the ratio ``u`` to a positive
    reference falls below 1/2, it is replaced by ``1/(4 (1 - u)) > 0``, with the same value and
    slope at 1/2.  Everything is then multiplied by one number, so that the mass is that of the
    combination and the shares of distant wells are left alone.

    Parameters
    ----------
    reference : nonnegative, about as large as the result where that is smooth in time; None
        leaves the combination as it is.
    """
    linear: Array = sum(w * v for w, v in zip(weights, vectors, strict=True))  # type: ignore[assignment]
    if reference is None:
        return linear, 0.0
    low = linear < BEND * reference
    low |= linear < 0.0
    if not low.any():
        return linear, 0.0
    result = linear.copy()
    # reference/(4 (1 - u)) for references that may be zero.
    result[low] = 0.25 * reference[low] * (reference[low] / (reference[low] - linear[low]))
    wanted, present = float(linear.sum()), float(result.sum())
    # Where nearly all mass is lost in a step the combination's mass may be anything.
    if wanted > BEND * present:
        result *= wanted / present
    return result, float(np.abs(result - linear).sum())
