"""Relaxation rates and their modes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidModel
from fokkerplanck.results.field import Field

__all__ = ["Spectrum"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Slowest rates ``lambda_k`` of ``Q r_k = -lambda_k r_k`` and ``Q^T l_k = -lambda_k l_k``.

    A density relaxes as ``p(t) = sum_k e^(-lambda_k t) r_k <l_k, p(0)>``.

    Attributes
    ----------
    rates : (k,)
        By rising real part, 0 first where probability is conserved.  Real where all are; else
        complex: a conjugate pair is damped at its real part and turns at its imaginary part.
    right : (k, *grid.shape)
        Perturbations of the density, per unit volume; the first is the stationary density.
    left : (k, *grid.shape)
        Observables, ``sum(conj(left_j) right_k volumes) = delta_jk``; the first is 1.  In detailed
        balance ``right = p left``.
    grid : Grid
    info : Info
        ``errors`` (estimated relative errors of the rates as those of the matrix), ``residuals``
        (of the resolvent's eigenvectors, relative), ``condition`` (of the rates, in
        ``L^2(1/p)``), ``shifts``, ``reversible``, solver.
    """

    rates: NDArray[Any]
    right: NDArray[Any]
    left: NDArray[Any]
    grid: Grid
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        for name in ("rates", "right", "left"):
            array = np.array(getattr(self, name))
            if not np.isfinite(array).all():
                raise FokkerPlanckError(f"the {name} of a spectrum are not all finite")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        shape = (self.rates.size, *self.grid.shape)
        if self.right.shape != shape or self.left.shape != shape:
            raise GridMismatch(
                f"modes of shapes {self.right.shape} and {self.left.shape}, not {shape}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rates, self.right, self.left, self.grid, self.info)

    def __len__(self) -> int:
        return int(self.rates.size)

    @property
    def times(self) -> Array:
        """Relaxation times, one over the real parts of the rates; infinite for the rate 0.

        Of a chain of steps the number of steps in which a mode falls by e, ``-1/ln|1 - rate|``.
        """
        with np.errstate(divide="ignore"):
            if self.info.get("unit") == "step":
                # ln|1 - rate|, with the digits of small rates.
                square = np.abs(self.rates) ** 2 - 2.0 * self.rates.real
                result: Array = -2.0 / np.log1p(np.maximum(square, -1.0))
            else:
                result = 1.0 / self.rates.real
        return np.abs(result)

    def observable(self, k: int) -> Field:
        """The left mode `k`, its real part where it is complex.

        Raises
        ------
        InvalidModel
            When there is no such mode.
        """
        return self._field(self.left, k, "left")

    def perturbation(self, k: int) -> Field:
        """The right mode `k`, its real part where it is complex.

        Raises
        ------
        InvalidModel
            When there is no such mode.
        """
        return self._field(self.right, k, "right")

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Rates by number on a logarithmic axis, or in the complex plane; returns the artist."""
        from fokkerplanck.plot.spectrum import plot_spectrum

        return plot_spectrum(self.rates, ax, options)

    def _field(self, modes: NDArray[Any], k: int, side: str) -> Field:
        if not 0 <= k < len(self):
            raise InvalidModel(f"mode {k} of {len(self)}; they are counted from 0")
        rate = self.rates[k]
        return Field(modes[k].real, self.grid, rf"{side} mode at rate {rate:.4g}", self.info)
