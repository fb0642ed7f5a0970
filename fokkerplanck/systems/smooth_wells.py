"""Two smooth wells of equal depth, one sharper than the other, on a line or in a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.noise import Covariance
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.model.symbols import as_variables, hessian, match_names

__all__ = ["SmoothWells"]

x = sp.Symbol("x", real=True)


@dataclass(frozen=True)
class SmoothWells:
    r"""Two wells of equal depth at ``x = -1`` (flat) and ``x = 1`` (sharp).

    ``L = dL W(x) + transverse w(x) y^2/2`` with ``W = (x^2 - 1)^2 w``, ``w = 1 + 2 g x/(1 + x^2)``
    and ``g = (r - 1)/(r + 1)``: every eigenvalue of the Hessian, ``8 dL w`` and ``transverse w``,
    is `ratio` times as large in the sharp well.  The second term is there in the plane only.

    Parameters
    ----------
    ratio : number
        ``r >= 1``.
    height : number or symbol
        ``dL``: the loss at the saddle at ``r = 1``, see `barrier` for other ratios.
    transverse : number or symbol
        Curvature across, in the plane.
    variables : one or two Symbols

    Raises
    ------
    InvalidModel
        When `ratio` is below 1, a number is not positive, or there are not 1 or 2 variables.

    Examples
    --------
    >>> wells = SmoothWells(4)
    >>> wells.curvatures
    (16/5, 64/5)
    >>> wells.saddle
    (0.205...,)
    >>> float(wells.barrier)
    1.13...
    """

    ratio: Any
    height: Any = 1
    transverse: Any = 4
    variables: Any = (x,)

    def __post_init__(self) -> None:
        variables = as_variables(self.variables)
        if len(variables) > 2:
            raise InvalidModel(f"the wells lie on a line or in a plane, not in {variables}")
        object.__setattr__(self, "variables", variables)
        for name in ("ratio", "height", "transverse"):
            value = match_names(getattr(self, name), variables)
            if value.is_number and not value.is_positive:
                raise InvalidModel(f"{name} must be positive, not {value}")
            object.__setattr__(self, name, value)
        if not (self.ratio.is_number and self.ratio >= 1):
            raise InvalidModel(
                f"ratio is a number of at least 1, not {self.ratio}: the sharp well is at x = 1"
            )

    @property
    def loss(self) -> sp.Expr:
        """``L``, 0 at both minima."""
        along, weight = self.variables[0], self._weight
        loss = self.height * (along**2 - 1) ** 2 * weight
        if len(self.variables) == 2:
            loss += self.transverse * weight * self.variables[1] ** 2 / 2
        return loss

    @property
    def minima(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The flat one and the sharp one."""
        rest = (0,) * (len(self.variables) - 1)
        return (-1, *rest), (1, *rest)

    @property
    def curvatures(self) -> tuple[sp.Expr, sp.Expr]:
        """``L_xx`` at the flat and at the sharp minimum, ``16 dL/(r + 1)`` times 1 and r."""
        flat = 16 * self.height / (self.ratio + 1)
        return flat, flat * self.ratio

    @property
    def saddle(self) -> tuple[float, ...]:
        """Root of ``4 x (1+x^2)(1+x^2+2 g x) = 2 g (1-x^2)^2`` between the minima."""
        g, along = self._asymmetry, self.variables[0]
        square = along**2
        steep = 4 * along * (1 + square) * (1 + square + 2 * g * along)
        polynomial = sp.Poly(sp.expand(steep - 2 * g * (1 - square) ** 2), along)
        roots = np.roots([float(c) for c in polynomial.all_coeffs()])
        between = roots[(abs(roots.imag) < 1e-9) & (abs(roots.real) < 1)].real
        # At r = 1 the root is 0; otherwise there is one in (0, 1), on the side of the sharp well.
        place = float(between[np.argmin(np.where(between < -1e-9, np.inf, between))])
        return (place, *(0.0,) * (len(self.variables) - 1))

    @property
    def barrier(self) -> sp.Expr:
        """``dL``, the loss at the saddle."""
        return self.loss.subs(dict(zip(self.variables, self.saddle, strict=True)))

    def optimizer(self, learning_rate: Any, batch_size: Any = 1) -> SGD:
        """SGD on the line with ``C = |L''|/B``, which vanishes at the points of inflection.

        Raises
        ------
        InvalidModel
            In the plane, where ``|H|`` has no short form: choose a noise there.
        """
        if len(self.variables) == 2:
            raise InvalidModel("in the plane build SGD(wells.loss, wells.variables, noise, ...)")
        (second,) = hessian(self.loss, self.variables)
        noise = Covariance([[sp.Abs(second)]])
        return SGD(
            self.loss, self.variables, noise, learning_rate=learning_rate, batch_size=batch_size
        )

    @property
    def _asymmetry(self) -> sp.Expr:
        return (self.ratio - 1) / (self.ratio + 1)

    @property
    def _weight(self) -> sp.Expr:
        along = self.variables[0]
        return 1 + 2 * self._asymmetry * along / (1 + along**2)
