"""W2 with fplanck: its master equation, cut at the target by hand."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import spsolve

from benchmarks.w2_method import Method
from benchmarks.w2_problem import BOX, TARGET, at_start, potential

__all__ = ["METHODS"]


def _solve(barrier: float, cells: int) -> float:
    # fplanck 0.2.2 calls a name that NumPy 2 no longer has.
    vars(np).setdefault("product", np.prod)
    import fplanck
    from scipy.constants import k

    extent = BOX[1] - BOX[0]
    # Half a cell less: it takes the ceiling of extent / resolution.
    model = fplanck.fokker_planck(
        temperature=1 / barrier / k,
        drag=1.0,
        extent=extent * (1 - 0.5 / cells),
        resolution=extent / cells,
        potential=potential,
    )
    centers = model.axes[0]
    outside = centers < TARGET
    matrix = model.master_matrix[outside][:, outside].T.tocsc()
    return at_start(centers[outside], spsolve(matrix, -np.ones(int(outside.sum()))))


METHODS = (
    Method(
        "fplanck",
        "fplanck",
        _solve,
        note="has no passage times: its master_matrix outside the target, solved with SciPy's LU",
    ),
)
