"""What the optimizers share: one affine step in the minibatch gradient, and what follows from it.

``state' = update(state, G) + injected noise`` with the minibatch gradient ``G``.  The mean and
covariance of that step serve samplers and the one-step operator, the modified equation solvers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.noise import Noise, PerSample
from fokkerplanck.model.samples import Dataset
from fokkerplanck.model.symbols import (
    as_variables,
    gradient,
    hessian,
    match_names,
    replacements,
)

__all__ = ["Optimizer"]


@dataclass(frozen=True)
class Optimizer:
    """What the optimizers share; use `SGD`, `SGLD` or `Momentum`.

    Raises
    ------
    InvalidModel
        When the order is not 1 or 2, or a number that must be positive is not.
    """

    loss: Any
    variables: Any
    noise: Noise
    learning_rate: Any = field(kw_only=True)
    batch_size: Any = field(default=1, kw_only=True)
    order: Literal[1, 2] = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        variables = as_variables(self.variables)
        if not isinstance(self.noise, Noise):
            raise InvalidModel(
                f"noise is a model such as noise.Isotropic(variance), not {self.noise!r}"
            )
        if self.order not in (1, 2):
            raise InvalidModel(f"order is 1 or 2, not {self.order!r}")
        self._store(variables=variables, loss=match_names(self.loss, variables))
        for name in ("learning_rate", "batch_size"):
            self._store_positive(name)
        if self.batch_size.is_number:
            if not float(self.batch_size).is_integer():
                raise InvalidModel(f"batch_size must be a whole number, not {self.batch_size}")
            self._store(batch_size=sp.Integer(int(self.batch_size)))
        data = getattr(self.noise, "data", None)
        if isinstance(data, Dataset) and self.batch_size.is_number:
            replacement = getattr(self.noise, "replacement", True)
            if self.batch_size > data.size and not replacement:
                raise InvalidModel(
                    f"a batch of {self.batch_size} cannot be drawn without replacement from "
                    f"{data.size} samples"
                )

    def _store(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _store_positive(self, name: str) -> None:
        value = sp.sympify(getattr(self, name))
        if value.is_number and not value.is_positive:
            raise InvalidModel(f"{name} must be positive, not {value}")
        self._store(**{name: value})

    @property
    def objective(self) -> sp.Expr:
        """Loss that is descended, averaged over the data where there are data."""
        return self.noise.objective(self.loss, self.variables)

    @property
    def gradient(self) -> sp.ImmutableMatrix:
        """Gradient of the objective, shape (d, 1)."""
        return gradient(self.objective, self.variables)

    @property
    def covariance(self) -> sp.ImmutableMatrix:
        """Covariance ``C`` of the minibatch gradient, batch size included, before any clipping."""
        one_sample = self.noise.covariance(self.loss, self.variables)
        return sp.ImmutableMatrix(one_sample * self._batch_factor())

    def _batch_factor(self) -> sp.Expr:
        factor = 1 / self.batch_size
        if isinstance(self.noise, PerSample) and not self.noise.replacement:
            size = self.noise.data.size
            factor *= (size - self.batch_size) / sp.Integer(size - 1)
        return factor

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """Symbols without a value yet, by name."""
        free = self.covariance.free_symbols | self.objective.free_symbols
        for value in vars(self).values():
            if isinstance(value, sp.Expr) and value is not self.loss:
                free |= value.free_symbols
        return tuple(sorted(free - set(self.variables), key=lambda symbol: str(symbol.name)))

    def subs(self, substitution: Mapping[Any, Any]) -> Any:
        """The optimizer with parameters replaced, by symbol or by name.

        Raises
        ------
        InvalidModel
            When a variable is to be replaced.
        """
        refused = {v.name for v in self.state} & {str(key) for key in substitution}
        if refused:
            raise InvalidModel(f"{sorted(refused)} are coordinates, not parameters")
        data = getattr(self.noise, "data", None)
        bound = {s.name for s in data.symbols} if data is not None else set()
        allowed = {key: value for key, value in substitution.items() if str(key) not in bound}
        changed: dict[str, Any] = {"noise": self.noise.subs(substitution)}
        for name, value in vars(self).items():
            if isinstance(value, sp.Expr):
                changed[name] = value.subs(replacements(allowed, value.free_symbols))
        return replace(self, **changed)

    # The step ------------------------------------------------------------------------------

    @property
    def state(self) -> tuple[sp.Symbol, ...]:
        """Coordinates of the Markov chain; the variables, and velocities where there are some."""
        return tuple(self.variables)

    def update(self, minibatch_gradient: sp.MatrixBase) -> sp.ImmutableMatrix:
        """New state, an affine function of the minibatch gradient, without injected noise."""
        theta = sp.Matrix(self.variables)
        return sp.ImmutableMatrix(theta - self.learning_rate * sp.Matrix(minibatch_gradient))

    @property
    def injected_covariance(self) -> sp.ImmutableMatrix:
        """Covariance of noise that the optimizer itself adds to the state in one step."""
        return sp.ImmutableMatrix.zeros(len(self.state), len(self.state))

    @property
    def step_mean(self) -> sp.ImmutableMatrix:
        """Mean of the state after one step."""
        return self.update(self.gradient)

    @property
    def step_covariance(self) -> sp.ImmutableMatrix:
        """Covariance of the state after one step, before any clipping."""
        slots = [sp.Dummy(f"G_{v.name}") for v in self.variables]
        response = self.update(sp.Matrix(slots)).jacobian(slots)
        return sp.ImmutableMatrix(
            response * self.covariance * response.T + self.injected_covariance
        )

    def _clip(self) -> dict[str, Any]:
        """How the noise model wants negative eigenvalues treated, in units of the tensor."""
        floor = getattr(self.noise, "floor", sp.S.Zero)
        return {
            "negative": getattr(self.noise, "negative", "refuse"),
            "floor": self.learning_rate / 2 * self._batch_factor() * floor,
        }

    def _modified(self) -> tuple[sp.MatrixBase, sp.MatrixBase]:
        """Drift and tensor of the modified equation, in time ``t = eta * steps``."""
        eta, objective = self.learning_rate, self.objective
        slope = sp.Matrix(gradient(objective, self.variables))
        injected = self.injected_covariance / (2 * eta)
        tensor = eta / 2 * self.covariance + injected
        if self.order == 1:
            return -slope, tensor
        curvature = hessian(objective, self.variables)
        modified_loss = objective + eta / 4 * (slope.T * slope)[0]
        # Injected noise is not small in eta: its curvature term is of the order of the others.
        modified_loss -= eta / 2 * (injected * curvature).trace()
        stretch = sp.eye(len(slope)) + eta / 2 * curvature
        return -gradient(modified_loss, self.variables), stretch * tensor * stretch
