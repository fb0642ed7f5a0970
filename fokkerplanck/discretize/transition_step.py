"""One step of a discrete optimizer as numbers: its mean and covariance, and where they break."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from sympy.core.relational import Relational

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.definite import clip_negative, extreme_eigenvalues
from fokkerplanck.errors import InvalidCoefficient, InvalidModel, NotPositiveSemidefinite
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum
from fokkerplanck.model.symbols import BENDING

__all__ = ["GaussianStep"]

Array = NDArray[np.float64]

# Rounding of a covariance computed from a loss, as a share of its largest entry.
ROUNDING = 1e-12
# Intervals of a line that are searched for a change of sign; breaks closer than one are missed.
INTERVALS = 4096
# Halvings of such an interval: its root is then known to the last digit.
HALVINGS = 60


@dataclass(frozen=True)
class GaussianStep:
    """The normal law of the state after one step, given the state before it.

    Points are one array a variable, broadcast against each other.

    Attributes
    ----------
    names : names of the state's variables
    learning_rate : float
    degenerate : bool
        Whether only velocities have noise, as in `Momentum`.
    """

    names: tuple[str, ...]
    learning_rate: float
    degenerate: bool
    _clipped: bool
    _mean: Callable[..., Array]
    _covariance: Callable[..., Array]
    _breaking: tuple[Callable[[Array], Array], ...]

    @classmethod
    def compile(cls, optimizer: SGD | SGLD | Momentum) -> GaussianStep:
        """Compile the step of an optimizer whose parameters all have values.

        Raises
        ------
        UnboundSymbol
        """
        state = optimizer.state
        covariance = optimizer.step_covariance
        n = len(state)
        entries = [covariance[i, j] for i, j in combinations_with_replacement(range(n), 2)]
        clipped = getattr(optimizer.noise, "negative", "refuse") == "clip"
        floor = sp.S.Zero
        if clipped:
            # The diffusion knows its floor in units of the tensor, D = Cov / (2 eta).
            floor = 2 * optimizer.learning_rate * optimizer.diffusion().floor
        mean = optimizer.step_mean
        breaking = _breaking([sp.sympify(optimizer.loss), *mean, *entries])
        if clipped and n == 1:
            breaking.append(entries[0] - floor)
        return cls(
            tuple(v.name for v in state),
            float(optimizer.learning_rate),
            isinstance(optimizer, Momentum),
            clipped,
            compile_expressions(list(mean), state),
            compile_expressions([*entries, floor], state),
            tuple(_scalar(e, state) for e in breaking if e.free_symbols),
        )

    def mean(self, points: Sequence[Array]) -> Array:
        """Mean of the state after the step, shape (d, ...)."""
        values = self._mean(*points)
        self._require_finite(values, points, "mean")
        return values

    def covariance(self, points: Sequence[Array]) -> Array:
        """Covariance of the state after the step, shape (d, d, ...), clipped as the noise says.

        Raises
        ------
        InvalidCoefficient, NotPositiveSemidefinite
        """
        values = self._covariance(*points)
        self._require_finite(values, points, "covariance")
        n = len(self.names)
        result = np.empty((n, n, *values.shape[1:]))
        for k, (i, j) in enumerate(combinations_with_replacement(range(n), 2)):
            result[i, j] = result[j, i] = values[k]
        if self._clipped:
            return clip_negative(result, floor=values[-1])
        low, high = extreme_eigenvalues(result)
        bad = low < -ROUNDING * np.abs(high)
        if bad.any():
            worst = np.unravel_index(int(np.argmin(np.where(bad, low, np.inf))), low.shape)
            raise NotPositiveSemidefinite(
                f"the covariance of a step has eigenvalue {low[worst]:.4g} at "
                f"{self._place(points, worst, low.shape)}, and is negative at {int(bad.sum())} of "
                f'{bad.size} points; use Hessian(scale, negative="clip", floor=...), else check '
                "the noise model"
            )
        return result

    def breaks(self, lower: float, upper: float, held: Mapping[int, float] | None = None) -> Array:
        """Points of a line where the step jumps or bends, sorted.

        Of the line on which the variables of these numbers are held.  They are the zeros of what
        `Piecewise` compares and of what stands in `Abs`, `sign`, `Heaviside`, `Max` and `Min`, and
        of the variance where a clip acts.
        """
        x = np.linspace(lower, upper, INTERVALS + 1)
        found: list[float] = []
        for function in self._breaking:
            found += roots(self._restricted(function, held or {}), x)
        return np.unique(found)

    def _restricted(
        self, function: Callable[..., Array], held: Mapping[int, float]
    ) -> Callable[[Array], Array]:
        def on_line(line: Array) -> Array:
            count = range(len(self.names))
            return function(*(np.full_like(line, held[k]) if k in held else line for k in count))

        return on_line

    def _require_finite(self, values: Array, points: Sequence[Array], what: str) -> None:
        bad = ~np.isfinite(values)
        if not bad.any():
            return
        _, *where = (int(i) for i in np.argwhere(bad)[0])
        raise InvalidCoefficient(
            f"the {what} of a step is not a finite number at "
            f"{self._place(points, tuple(where), values.shape[1:])}, as at "
            f"{int(bad.any(axis=0).sum())} of {bad[0].size} points; move the domain away from the "
            "singularity or change the formula"
        )

    def _place(self, points: Sequence[Array], where: Any, shape: tuple[int, ...]) -> str:
        place = ", ".join(f"{float(np.broadcast_to(p, shape)[where]):.4g}" for p in points)
        return f"({', '.join(self.names)}) = ({place})"


def _scalar(expression: sp.Expr, state: Sequence[sp.Symbol]) -> Callable[..., Array]:
    compiled = compile_expressions([expression], state)
    return lambda *points: compiled(*points)[0]


def _breaking(expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Expressions at whose zeros one of these jumps or bends."""
    found: dict[sp.Expr, None] = {}
    for expression in expressions:
        for piecewise in expression.atoms(sp.Piecewise):
            for _, condition in piecewise.args:
                for relation in condition.atoms(Relational):
                    found[relation.lhs - relation.rhs] = None
        for bend in expression.atoms(sp.Abs, sp.sign, sp.Heaviside):
            found[bend.args[0]] = None
        for extreme in expression.atoms(*(f for f in BENDING if f is not sp.Abs)):
            first, *others = extreme.args
            found.update(dict.fromkeys(first - other for other in others))
        if expression.atoms(sp.floor, sp.ceiling):
            raise InvalidModel("a step with floor or ceiling breaks everywhere; use Piecewise")
    return list(found)


def roots(function: Callable[[Array], Array], x: Array) -> list[float]:
    """Zeros of a function between the points where its sign differs, each to the last digit."""
    signs = np.sign(np.broadcast_to(function(x), x.shape))
    found = [float(p) for p in x[signs == 0.0]]
    change = np.flatnonzero(signs[:-1] * signs[1:] < 0.0)
    low, high, start = x[change], x[change + 1], signs[change]
    for _ in range(HALVINGS if change.size else 0):
        middle = 0.5 * (low + high)
        same = np.sign(function(middle)) == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    # Where a root is a short number, as kinks mostly are, halving ends one digit beside it.
    for a, b in zip(low, high, strict=True):
        short = float(np.round(0.5 * (a + b), 12))
        found.append(short if function(np.array([short]))[0] == 0.0 else float(0.5 * (a + b)))
    return found
