"""What several derivations share: asserting that an expression vanishes, and fluxes."""

from __future__ import annotations

from typing import Any

import sympy as sp

from fokkerplanck.model.diffusion import Diffusion


def assert_zero(expression: Any) -> None:
    """Raise unless SymPy shows that the expression, or each entry of the matrix, vanishes."""
    entries = list(expression) if isinstance(expression, sp.MatrixBase) else [expression]
    for entry in entries:
        remainder = sp.simplify(sp.expand(entry))
        assert remainder == 0, f"does not vanish: {remainder}"


def flux(diffusion: Diffusion, density: Any) -> sp.Matrix:
    """``J_i = A_i p - d_j (D_ij p)``, written out here rather than imported."""
    drift, tensor = diffusion.drift, diffusion.tensor
    return sp.Matrix(
        [
            drift[i] * density
            - sum(sp.diff(tensor[i, j] * density, v) for j, v in enumerate(diffusion.variables))
            for i in range(diffusion.dimension)
        ]
    )


def fokker_planck(diffusion: Diffusion, density: Any) -> sp.Expr:
    """``dp/dt = -d_i J_i``."""
    along = zip(flux(diffusion, density), diffusion.variables, strict=True)
    return -sum(sp.diff(component, v) for component, v in along)
