"""W2 with deeptime: a Markov state model with the exact transition matrix of the generator."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from benchmarks.w2_fokkerplanck import operator
from benchmarks.w2_method import Method
from benchmarks.w2_problem import TARGET, at_start

__all__ = ["METHODS"]

# Shorter than the relaxation in a well, 1/8; what is missed of a visit to the target is small.
LAG = 0.05


def _solve(barrier: float, cells: int) -> float:
    from deeptime.markov.tools.analysis import mfpt

    made = operator(barrier, cells)
    centers = made.grid.centers[0]
    transition = expm(LAG * made.matrix.toarray().T)
    transition /= transition.sum(axis=1, keepdims=True)
    target = np.flatnonzero(centers > TARGET)
    return at_start(centers, mfpt(transition, target.tolist(), tau=LAG))


METHODS = (
    Method(
        "deeptime",
        "deeptime",
        _solve,
        largest=256,
        note=f"mfpt of expm({LAG} Q) with fokkerplanck's generator Q: it has no generator itself",
    ),
)
