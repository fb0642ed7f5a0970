"""The function of Styblinski and Tang, of which each sample sees a shifted copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.noise import Covariance, PerSample
from fokkerplanck.model.optimizers import SGD

__all__ = ["StyblinskiTang"]


@dataclass(frozen=True)
class StyblinskiTang:
    r"""``f(u) = sum_i (u_i^4 - 16 u_i^2 + 5 u_i)/2``, of which each sample sees a shifted copy.

    The loss of one sample is ``f(sqrt(k) theta - x)`` with ``x ~ N(0, spread^2 I)``.  What SGD
    descends is its mean, ``f(sqrt(k) theta) + 3 k spread^2 |theta|^2`` up to a constant: its minima
    lie closer together than those of f.

    Parameters
    ----------
    dimension : int
        ``n``.
    scale : number or symbol
        ``k``, by which every Hessian is multiplied at the same heights.
    spread : number or symbol
        Standard deviation of the samples; 0 for f itself.

    Raises
    ------
    InvalidModel

    Notes
    -----
    The loss is a sum over coordinates and the noise is independent on each.  In ``u = sqrt(k)
    theta`` a step of SGD depends on ``eta k`` and on B alone, so that 1/k and 1/eta are the same
    axis; its diffusion depends on ``eta k/B``, in time ``k t``.

    Examples
    --------
    >>> f = StyblinskiTang(1, spread=0)
    >>> [round(u, 6) for u in f.critical_points]
    [-2.903534, 0.156731, 2.746803]
    >>> StyblinskiTang(2).covariance.shape
    (2, 2)
    >>> [round(u, 3) for u in StyblinskiTang(2).critical_points]
    [-2.352, 0.253, 2.099]
    """

    dimension: int
    scale: Any = 1
    spread: Any = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.dimension, int) and self.dimension >= 1):
            raise InvalidModel(f"the dimension is a whole number from 1 on, not {self.dimension!r}")
        for name in ("scale", "spread"):
            value = sp.sympify(getattr(self, name))
            if value.is_number and (value.is_negative or (name == "scale" and value.is_zero)):
                raise InvalidModel(f"{name} must be positive, not {value}")
            object.__setattr__(self, name, value)

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """``theta_1 ... theta_n``."""
        return tuple(sp.symbols(f"theta_1:{self.dimension + 1}", real=True))

    @property
    def samples(self) -> tuple[sp.Symbol, ...]:
        """``x_1 ... x_n``, the data symbols."""
        return tuple(sp.symbols(f"x_1:{self.dimension + 1}", real=True))

    @property
    def sample_loss(self) -> sp.Expr:
        """``f(sqrt(k) theta - x)``."""
        pairs = zip(self.variables, self.samples, strict=True)
        return sum((_term(sp.sqrt(self.scale) * v - s) for v, s in pairs), sp.S.Zero)

    @property
    def loss(self) -> sp.Expr:
        """Mean of `sample_loss`."""
        s2, total = self.spread**2, sp.S.Zero
        for u in self._stretched:
            total += _term(u) + 3 * s2 * u**2 + (3 * s2**2 - 16 * s2) / 2
        return total

    @property
    def covariance(self) -> sp.ImmutableMatrix:
        """Covariance of one sample's gradient.

        Diagonal: ``k [s^2 (6 u^2 + 6 s^2 - 16)^2 + 72 s^4 u^2 + 24 s^6]``, which vanishes nowhere.
        The first term is ``s^2 L''(u)^2``, so near a minimum it is the square of the Hessian, not
        the Hessian.
        """
        s2 = self.spread**2
        entries = [
            self.scale * (s2 * (6 * u**2 + 6 * s2 - 16) ** 2 + 72 * s2**2 * u**2 + 24 * s2**3)
            for u in self._stretched
        ]
        return sp.ImmutableMatrix(sp.diag(*entries))

    @property
    def critical_points(self) -> tuple[float, float, float]:
        """Minimum, maximum, minimum of one coordinate's loss, in theta.

        Roots of ``2 u^3 + (6 s^2 - 16) u + 5/2``.

        Raises
        ------
        InvalidModel
            When the spread is too wide for two minima, or a parameter has no value.
        """
        if self.loss.free_symbols - set(self.variables):
            raise InvalidModel("critical points need numbers for scale and spread")
        roots = np.roots([2.0, 0.0, 6 * float(self.spread) ** 2 - 16, 2.5])
        if np.abs(roots.imag).max() > 1e-9:
            raise InvalidModel(f"at spread {self.spread} the mean loss has a single minimum")
        low, top, high = np.sort(roots.real) / np.sqrt(float(self.scale))
        return float(low), float(top), float(high)

    @property
    def start(self) -> tuple[float, ...]:
        """The lowest minimum."""
        return (self.critical_points[0],) * self.dimension

    def left(self, *coordinates: Any) -> Any:
        """Region outside the lowest minimum's valley: some coordinate is beyond its ridge."""
        ridge = self.critical_points[1]
        return sp.Or(*(c > ridge for c in coordinates or self.variables))

    def optimizer(self, learning_rate: Any, batch_size: Any = 1, *, data: Any = None) -> SGD:
        """SGD on the mean loss.

        Parameters
        ----------
        data : array, shape (samples, n), optional
            Draws of x, from which real minibatches are taken.  Without, gradient noise is normal
            with the exact covariance.
        """
        noise: Covariance | PerSample = Covariance(self.covariance)
        loss = self.loss
        if data is not None:
            columns = dict(zip(self.samples, np.asarray(data, float).T, strict=True))
            loss = self.sample_loss
            noise = PerSample(loss, columns)
        return SGD(loss, self.variables, noise, learning_rate=learning_rate, batch_size=batch_size)

    def moments(self) -> dict[sp.Symbol, dict[int, sp.Expr]]:
        """Raw moments of the samples to order 6, for `noise.PerSample`."""
        s2 = self.spread**2
        orders = {1: sp.S.Zero, 2: s2, 3: sp.S.Zero, 4: 3 * s2**2, 5: sp.S.Zero, 6: 15 * s2**3}
        return dict.fromkeys(self.samples, orders)

    @property
    def _stretched(self) -> tuple[sp.Expr, ...]:
        return tuple(sp.sqrt(self.scale) * v for v in self.variables)


def _term(u: sp.Expr) -> sp.Expr:
    return (u**4 - 16 * u**2 + 5 * u) / 2
