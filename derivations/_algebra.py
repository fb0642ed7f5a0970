"""What several derivations share: arbitrary functions, vanishing expressions, fluxes."""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp

from fokkerplanck.model.diffusion import Diffusion


def arbitrary(name: str, *arguments: sp.Symbol, positive: bool | None = None) -> sp.Expr:
    """A real function of the arguments about which nothing else is known.

    Models refuse SymPy's undefined functions, of which no solver could make numbers; for a proof
    the name of a class without a definition does.
    """
    return _function(name, positive)(*arguments)


@cache
def _function(name: str, positive: bool | None) -> type[sp.Function]:
    return type(name, (sp.Function,), {"is_positive": positive, "is_extended_real": True})


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
