"""Gradient-noise models: from a loss to the covariance of one sample's gradient.

Each model is a value with two methods: `objective` (the loss that SGD descends) and `covariance`
(of one sample's gradient; an optimizer divides it by the batch size).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import sympy as sp

from fokkerplanck.errors import InvalidData, InvalidModel
from fokkerplanck.model.samples import Data, Dataset, Moments, as_data
from fokkerplanck.model.symbols import as_square, gradient, hessian, match_names, replacements

__all__ = [
    "Covariance",
    "Hessian",
    "HessianSquared",
    "Isotropic",
    "LossScaled",
    "Noise",
    "PerSample",
]

Variables = Sequence[sp.Symbol]
Negative = Literal["refuse", "clip"]


@runtime_checkable
class Noise(Protocol):
    """What an optimizer asks of a noise model."""

    def objective(self, loss: sp.Expr, variables: Variables) -> sp.Expr:
        """Loss averaged over the data, where there are data."""

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        """Covariance of one sample's gradient, shape (d, d), before any clipping."""

    def subs(self, substitution: Mapping[Any, Any]) -> Noise:
        """The same model with symbols replaced."""


class _Analytic:
    """Shared by the models that take the loss as it is and have a few symbolic fields."""

    def objective(self, loss: sp.Expr, variables: Variables) -> sp.Expr:
        return match_names(loss, variables)

    def subs(self, substitution: Mapping[Any, Any]) -> Any:
        changed = {}
        for name, value in vars(self).items():
            if isinstance(value, (sp.Basic, sp.MatrixBase)):
                changed[name] = value.subs(replacements(substitution, value.free_symbols))
        return replace(self, **changed)  # type: ignore[type-var]


@dataclass(frozen=True)
class Isotropic(_Analytic):
    """``C = variance I``."""

    variance: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", sp.sympify(self.variance))

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        return sp.ImmutableMatrix(match_names(self.variance, variables) * sp.eye(len(variables)))


@dataclass(frozen=True)
class Covariance(_Analytic):
    """``C`` given as a matrix of expressions of the variables."""

    matrix: Any

    def __post_init__(self) -> None:
        matrix = self.matrix
        if not isinstance(matrix, sp.MatrixBase):
            matrix = sp.Matrix(matrix) if hasattr(matrix, "__len__") else sp.Matrix([[matrix]])
        object.__setattr__(self, "matrix", sp.ImmutableMatrix(matrix))

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        square = as_square(self.matrix, len(variables), "the noise covariance")
        return square.applyfunc(lambda entry: match_names(entry, variables))


@dataclass(frozen=True)
class _Curvature(_Analytic):
    scale: Any
    negative: Negative = field(default="refuse", kw_only=True)
    floor: Any = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.negative not in ("refuse", "clip"):
            raise InvalidModel(f'negative is "refuse" or "clip", not {self.negative!r}')
        object.__setattr__(self, "scale", sp.sympify(self.scale))
        object.__setattr__(self, "floor", sp.sympify(self.floor))


@dataclass(frozen=True)
class Hessian(_Curvature):
    """``C = scale [H]_+ + floor I``, with ``H`` the Hessian of the loss.

    Parameters
    ----------
    scale : number or expression
    negative : {"refuse", "clip"}
        What to do with negative eigenvalues of ``scale H``, which occur near saddles: raise
        `NotPositiveSemidefinite` where numbers are asked for, or set them to zero.
    floor : number or expression
        Isotropic variance added after the clip.
    """

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        scale = match_names(self.scale, variables)
        return sp.ImmutableMatrix(
            scale * hessian(self.objective(loss, variables), variables)
            + match_names(self.floor, variables) * sp.eye(len(variables))
        )


@dataclass(frozen=True)
class LossScaled(_Curvature):
    """``C = scale L [H]_+ + floor I`` (Mori, Ziyin, Liu, Ueda, ICML 2022: scale = 2)."""

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        objective = self.objective(loss, variables)
        scale = match_names(self.scale, variables) * objective
        return sp.ImmutableMatrix(
            scale * hessian(objective, variables)
            + match_names(self.floor, variables) * sp.eye(len(variables))
        )


@dataclass(frozen=True)
class HessianSquared(_Analytic):
    """``C = scale H^2``: each sample sees the loss shifted by a random ``s``, Cov(s) = scale I."""

    scale: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", sp.sympify(self.scale))

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        curvature = hessian(self.objective(loss, variables), variables)
        return sp.ImmutableMatrix(match_names(self.scale, variables) * curvature * curvature)


@dataclass(frozen=True)
class PerSample:
    """Exact covariance ``C = mean(g g^T) - mean(g) mean(g)^T`` of per-sample gradients ``g``.

    Parameters
    ----------
    sample_loss : expression
        Loss of one sample, in the variables and the data symbols.
    data : dict
        Data symbol -> array, shape (samples,); or data symbol -> {order: raw moment} for
        independent random inputs of a polynomial loss.
    replacement : bool
        Whether a minibatch is drawn with replacement.  Without, the covariance of the mean of
        B of N samples carries the factor (N - B)/(N - 1).

    Notes
    -----
    The covariance divides by N, as minibatches are drawn from these N samples.
    """

    sample_loss: Any
    data: Any
    replacement: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        data: Data = as_data(self.data)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "sample_loss", match_names(self.sample_loss, data.symbols))
        if not self.replacement and not isinstance(data, Dataset):
            raise InvalidData("drawing without replacement needs arrays of data, not moments")

    def objective(self, loss: sp.Expr, variables: Variables) -> sp.Expr:
        self._check_names(variables)
        average: sp.Expr = self.data.average(match_names(loss, (*self.data.symbols, *variables)))
        return average

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        per_sample = self.sample_gradient(variables)
        mean = per_sample.applyfunc(self.data.average)
        n = len(variables)
        upper = {
            (i, j): self.data.average(per_sample[i] * per_sample[j]) - mean[i] * mean[j]
            for i in range(n)
            for j in range(i, n)
        }
        return sp.ImmutableMatrix(n, n, lambda i, j: upper[min(i, j), max(i, j)])

    def sample_gradient(self, variables: Variables) -> sp.ImmutableMatrix:
        """Gradient of one sample's loss, in the variables and the data symbols."""
        self._check_names(variables)
        return gradient(match_names(self.sample_loss, variables), variables)

    def subs(self, substitution: Mapping[Any, Any]) -> PerSample:
        bound = {symbol.name for symbol in self.data.symbols}
        allowed = {k: v for k, v in substitution.items() if str(k) not in bound}
        loss, data = self.sample_loss, self.data
        if isinstance(data, Moments):
            data = data.subs(replacements(allowed, data.free_symbols))
        return replace(
            self, sample_loss=loss.subs(replacements(allowed, loss.free_symbols)), data=data
        )

    def _check_names(self, variables: Variables) -> None:
        shared = {v.name for v in variables} & {s.name for s in self.data.symbols}
        if shared:
            raise InvalidModel(f"{sorted(shared)} name both variables and data; rename one")
