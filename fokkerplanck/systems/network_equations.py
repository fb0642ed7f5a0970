"""Equations of the diagonal network: moments, SGD, and the diffusions that it reduces to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD

__all__ = ["NetworkEquations"]

Array = NDArray[np.float64]

v, z, q, x, y = sp.symbols("v z q x y", real=True)
T = sp.Symbol("T", positive=True)
alpha1, alpha3, beta1 = sp.symbols("alpha1 alpha3 beta1", positive=True)
alpha2, beta2 = sp.symbols("alpha2 beta2", real=True)


@dataclass(frozen=True)
class NetworkEquations:
    """What `DiagonalNetwork` knows before any stationary state is asked for; see there."""

    depth: int = 1
    width: int = 1
    alpha: Any = (alpha1, alpha2, alpha3)
    beta: Any = (beta1, beta2)
    temperature: Any = T
    weight_decay: Any = field(default=sp.S.Zero, kw_only=True)
    sign: Literal[1, -1] = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        for name, least in (("depth", 0), ("width", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InvalidModel(f"{name} is an integer, {least} or more, not {value!r}")
        if self.sign not in (1, -1):
            raise InvalidModel(f"sign is 1 or -1, not {self.sign!r}")
        for name, count in (("alpha", 3), ("beta", 2)):
            values = tuple(sp.sympify(value) for value in getattr(self, name))
            if len(values) != count:
                raise InvalidModel(f"{name} has {len(values)} entries; it needs {count}")
            object.__setattr__(self, name, values)
        for name in ("temperature", "weight_decay"):
            object.__setattr__(self, name, sp.sympify(getattr(self, name)))
        positive = {
            "alpha1": self.alpha[0],
            "alpha3": self.alpha[2],
            "beta1": self.beta[0],
            "temperature": self.temperature,
        }
        for name, value in positive.items():
            if value.is_number and not value.is_positive:
                raise InvalidModel(f"{name} must be positive, not {value}")
        if self.weight_decay.is_negative:
            raise InvalidModel(f"weight_decay must not be negative, not {self.weight_decay}")
        if self._delta.is_number and not self._interpolates and self._delta < 0:
            raise InvalidModel(
                f"alpha1 alpha3 - alpha2^2 = {self._delta} is negative: these are no moments"
            )

    @classmethod
    def with_linear_targets(cls, slope: Any, noise: Any, *, depth: int = 1, **others: Any) -> Self:
        """Population ``y = slope x + noise epsilon``, x and epsilon standard normal."""
        k, s = sp.sympify(slope), sp.sympify(noise)
        return cls(depth, alpha=(2, 2 * k, 2 * k**2 + s**2), beta=(1, k), **others)

    @classmethod
    def with_data(cls, inputs: Any, targets: Any, *, depth: int = 1, **others: Any) -> Self:
        """Moments of a data set, arrays of shape (samples,), as its minibatches see them."""
        a, b = (np.asarray(column, dtype=np.float64) for column in (inputs, targets))
        if a.ndim != 1 or a.shape != b.shape or a.size == 0:
            raise InvalidModel(f"inputs and targets have shapes {a.shape} and {b.shape}")
        square, product = a * a, a * b
        (alpha1, alpha2), (_, alpha3) = np.cov(square, product, bias=True)
        beta = (float(square.mean()), float(product.mean()))
        return cls(depth, alpha=(float(alpha1), float(alpha2), float(alpha3)), beta=beta, **others)

    # The equations -------------------------------------------------------------------------

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """Weights, product by product: (u, w) for two layers of one unit."""
        if (self.depth, self.width) == (1, 1):
            return tuple(sp.symbols("u w", real=True))
        return tuple(
            sp.Symbol(f"u_{i}_{k}", real=True)
            for i in range(self.width)
            for k in range(self.depth + 1)
        )

    @property
    def output(self) -> sp.Expr:
        """``v`` as a function of the weights."""
        n = self.depth + 1
        weights = self.variables
        return sp.Add(*(sp.Mul(*weights[i : i + n]) for i in range(0, len(weights), n)))

    def balanced(self, value: Any) -> tuple[float, ...]:
        """Equal weights with output `value`, a start for `simulate_sgd`."""
        n = self.depth + 1
        size = (abs(float(value)) / self.width) ** (1 / n)
        return (float(np.copysign(size, value)), *([size] * self.depth)) * self.width

    def optimizer(self, inputs: Any, targets: Any, *, batch_size: int = 1) -> SGD:
        """SGD on minibatches of a data set, at the learning rate ``T * batch_size``."""
        loss = (self.output * x - y) ** 2
        decay = self.weight_decay * sp.Add(*(u**2 for u in self.variables))
        rate = self.temperature * batch_size
        noise = PerSample(loss, {x: inputs, y: targets})
        return SGD(loss + decay, self.variables, noise, learning_rate=rate, batch_size=batch_size)

    @property
    def noise_variance(self) -> sp.Expr:
        """``G(v) = Var[dl/dv]/4 = alpha1 v^2 - 2 alpha2 v + alpha3``."""
        a1, a2, a3 = self.alpha
        return a1 * v**2 - 2 * a2 * v + a3

    def diffusion(self) -> Diffusion:
        """The diffusion of v with balanced weights, on one side of zero at depth 1 and more."""
        n, strength = self.depth + 1, self.noise_variance
        beta1, beta2 = self.beta
        length = self.width * n * (self._size / self.width) ** sp.Rational(2 * self.depth, n)
        spurious = self.temperature * strength * length * sp.diff(length, v)
        drift = -2 * length * (beta1 * v - beta2) - 2 * n * self.weight_decay * v + spurious
        tensor = 2 * self.temperature * strength * length**2
        return Diffusion((v,), [sp.expand(drift)], [[tensor]])

    def log_diffusion(self) -> Diffusion:
        """The diffusion of ``z = ln |v|``, where the noise at ``v = 0`` is no longer singular.

        Raises
        ------
        InvalidModel
            At depth 0, where v changes its sign.
        """
        self._require_depth("ln |v|")
        return self.diffusion().change_variables((z,), [sp.log(self._size)])

    def plane(self) -> Diffusion:
        """The diffusion of ``z = ln |v|`` and ``q = u^2 - w^2`` for two layers of one unit.

        ``dq = -4 (T G + gamma) q dt`` is the law of balance: no noise, and none needed.

        Raises
        ------
        InvalidModel
            For another depth or width, which no two variables describe.
        """
        if (self.depth, self.width) != (1, 1):
            raise InvalidModel(
                f"depth {self.depth} and width {self.width} have more than two variables; "
                "plane() is for depth 1 and width 1"
            )
        beta1, beta2 = self.beta
        scale, gamma = self.temperature, self.weight_decay
        value = self.sign * sp.exp(z)
        noise = self.noise_variance.subs(v, value)
        squared = q**2 / value**2 + 4  # (u^2 + w^2)^2/v^2
        pull = -2 * self.sign * sp.sqrt(squared) * (beta1 * value - beta2)
        drift = pull - 4 * gamma + 4 * scale * noise - 2 * scale * noise * squared
        balance = -4 * (scale * noise + gamma) * q
        return Diffusion((z, q), [drift, balance], sp.diag(2 * scale * noise * squared, 0))

    @property
    def _sign(self) -> int:
        return self.sign if self.depth else 1

    @property
    def _size(self) -> sp.Expr:
        return self._sign * v

    @property
    def _delta(self) -> sp.Expr:
        return self.alpha[0] * self.alpha[2] - self.alpha[1] ** 2

    @property
    def _interpolates(self) -> bool:
        # Moments of floats cancel to a few units of rounding.
        delta, scale = sp.expand(self._delta), self.alpha[0] * self.alpha[2]
        if delta.is_number:
            return bool(abs(delta) <= 1e-12 * scale)
        return bool(delta == 0)

    def _require_depth(self, what: str) -> None:
        if self.depth == 0:
            raise InvalidModel(f"{what} needs depth 1 or more; at depth 0 v changes its sign")
