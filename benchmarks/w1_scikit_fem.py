"""W1 with scikit-fem: biquadratic elements on N/2 x N/2 squares, so about N^2 unknowns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from benchmarks.w1_method import Method
from benchmarks.w1_problem import BOX, Problem, centres

__all__ = ["METHODS"]

Array = NDArray[np.float64]

# Points a call of `probes`, which makes dense arrays of points by neighbouring elements.
CHUNK = 2048


def _solve(problem: Problem, cells: int, options: dict[str, Any]) -> tuple[Any, Array]:
    import skfem

    line = np.linspace(*BOX, cells // 2 + 1)
    basis = skfem.Basis(skfem.MeshQuad.init_tensor(line, line), skfem.ElementQuad2())
    tensor = problem.tensor

    @skfem.BilinearForm
    def operator(u: Any, v: Any, w: Any) -> Any:
        drift = problem.drift(*w.x)
        return sum(
            v.grad[i] * (drift[i] * u - sum(tensor[i, j] * u.grad[j] for j in range(2)))
            for i in range(2)
        )

    @skfem.LinearForm
    def integral(v: Any, w: Any) -> Any:
        return v

    matrix = operator.assemble(basis)
    # The null vector is found with one value given, at the node nearest to a well.
    pinned = int(np.argmin(np.hypot(basis.doflocs[0] - 1.0, basis.doflocs[1])))
    kept, right, values, inner = skfem.condense(
        matrix, x=np.eye(1, matrix.shape[0], pinned).ravel(), D=np.array([pinned])
    )
    values[inner] = splu(kept.tocsc(), **options).solve(right)
    return basis, values / (integral.assemble(basis) @ values)


def _centres(solution: object, cells: int) -> Array:
    basis, values = solution  # type: ignore[misc]
    points = np.stack([line.ravel() for line in centres(cells)])
    parts = np.array_split(points, max(1, points.shape[1] // CHUNK), axis=1)
    return np.concatenate([basis.probes(part) @ values for part in parts]).reshape(cells, cells)


def _method(name: str, note: str, options: dict[str, Any]) -> Method:
    return Method(
        name,
        "scikit-fem",
        lambda problem, cells: _solve(problem, cells, options),
        _centres,
        note=f"ElementQuad2 on N/2 x N/2 squares, natural walls, one node given, {note}",
    )


METHODS = (
    _method("scikit-fem Q2", "SciPy's LU as it comes", {}),
    _method(
        "scikit-fem Q2, tuned LU",
        "SciPy's LU with minimum degree and SymmetricMode",
        {
            "permc_spec": "MMD_AT_PLUS_A",
            "diag_pivot_thresh": 1e-3,
            "options": {"SymmetricMode": True},
        },
    ),
)
