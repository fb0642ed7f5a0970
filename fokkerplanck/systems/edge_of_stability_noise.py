"""SGD on the minimal problem of the edge of stability: where noise keeps y, and when it gets there.

Every formula is derived in derivations/17_noise_at_the_edge.py.  Times are steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model import noise as noise_models
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.systems.edge_of_stability import MinimalProblem

__all__ = ["NoisyMinimalProblem"]

# Mean of -ln |z| for standard normal z.
MEAN_LOGARITHM = (sp.EulerGamma + sp.log(2)) / 2


@dataclass(frozen=True)
class NoisyMinimalProblem:
    r"""SGD on ``L = (y + x) x^2/2 - epsilon (x + y)`` with noise of variance C in x, ``C_y`` in y.

    What counts is ``kappa = eta^2 C/(2 epsilon)``.  For kappa < 1 y stays near ``(1 + sqrt(1 -
    kappa))/eta``, at ``2/eta`` for weak noise, where ``(-1)^n x`` spreads to ``E x^2 = 2 epsilon``;
    above 1 the noise alone keeps x larger than that and y is driven below any edge.

    Parameters
    ----------
    epsilon, learning_rate, noise : number or symbol
        Positive; `noise` is C.
    noise_y : number or symbol
        ``C_y``, 0 or more.

    Raises
    ------
    InvalidModel

    Examples
    --------
    >>> problem = NoisyMinimalProblem(0.01, 0.3, 0.0222)
    >>> problem.ratio, problem.height()
    (0.0999, 6.528)
    """

    epsilon: Any
    learning_rate: Any
    noise: Any
    noise_y: Any = 0

    def __post_init__(self) -> None:
        for name in ("epsilon", "learning_rate", "noise", "noise_y"):
            number = sp.sympify(getattr(self, name))
            least = name == "noise_y" and number.is_zero
            if number.is_number and not (number.is_positive or least):
                raise InvalidModel(f"{name} must be positive, not {number}")
            object.__setattr__(self, name, number)

    @property
    def problem(self) -> MinimalProblem:
        """The same without noise."""
        return MinimalProblem(self.epsilon)

    @property
    def optimizer(self) -> SGD:
        """SGD with normal noise."""
        covariance = noise_models.Covariance([[self.noise, 0], [0, self.noise_y]])
        loss, variables = self.problem.loss, self.problem.variables
        return SGD(loss, variables, covariance, learning_rate=self.learning_rate)

    @property
    def ratio(self) -> sp.Expr:
        """``kappa = eta^2 C/(2 epsilon)``; beyond 1 there is no edge to stay at."""
        return self.learning_rate**2 * self.noise / (2 * self.epsilon)

    # At the edge ---------------------------------------------------------------------------

    def balance(self, height: Any) -> sp.Expr:
        """Vanishes where ``E x^2 = 2 epsilon`` at fixed y: ``y (2 - eta y) - eta C/(2 epsilon)``.

        Its larger root is stable, the smaller one not, and they meet at kappa = 1.
        """
        y, eta = sp.sympify(height), self.learning_rate
        return y * (2 - eta * y) - eta * self.noise / (2 * self.epsilon)

    def height(self, kurtosis: Any = 3, variance: Any | None = None) -> sp.Expr:
        """Mean of y, to first order in epsilon.

        ``(1 + sqrt(1 - kappa))/eta + 3 epsilon (3 K - 1)/y - eta epsilon (K - 1)/2 - eta Var y/2``
        with y of the first term.

        Parameters
        ----------
        kurtosis : number or expression
            ``K = E x^4/(E x^2)^2``: 1 without noise, 3 (x normal) for `ratio` well above ``7 eta^2
            epsilon``.
        variance : number or expression, optional
            Of y; ``strong_spread^2`` by default.

        Raises
        ------
        InvalidModel
            When kappa exceeds 1.
        """
        eta, epsilon, moment = self.learning_rate, self.epsilon, sp.sympify(kurtosis)
        if self.ratio.is_number and self.ratio > 1:
            raise InvalidModel(
                f"eta^2 C/(2 epsilon) is {float(self.ratio):.3g}: above 1 y does not stay anywhere"
            )
        spread = self.strong_spread**2 if variance is None else sp.sympify(variance)
        first = (1 + sp.sqrt(1 - self.ratio)) / eta
        shift = 3 * epsilon * (3 * moment - 1) / first - eta * epsilon * (moment - 1) / 2
        return first + shift - eta * spread / 2

    @property
    def damping(self) -> sp.Expr:
        """Decay rate of the oscillation of y in weak noise, ``7 eta^2 epsilon/2``."""
        return sp.Rational(7, 2) * self.learning_rate**2 * self.epsilon

    @property
    def weak_spread(self) -> sp.Expr:
        """Standard deviation of y for weak noise, ``sqrt(kappa/7)/eta``."""
        return sp.sqrt(self.ratio / 7) / self.learning_rate

    @property
    def weak_excess(self) -> sp.Expr:
        """``K - 1`` for weak noise, ``kappa/damping``."""
        return self.ratio / self.damping

    @property
    def strong_spread(self) -> sp.Expr:
        """Standard deviation of y for kappa well above ``7 eta^2 epsilon``, ``sqrt(epsilon)``."""
        return sp.sqrt(self.epsilon)

    # Onset ---------------------------------------------------------------------------------

    def onset_peak(self) -> sp.Expr:
        r"""Mean of the largest y of a run that climbs past ``2/eta`` with little of x left.

        With ``v = eta y - 1`` and ``sigma^2 = eta^2 C``, ::

            v ln v - v + 1 = eta^2 epsilon (ln[sqrt(2 epsilon)/(sigma (pi/(eta^2 epsilon))^(1/4))]
                                            + .635)

        At ``2/eta`` x has the variance ``sigma^2 sqrt(pi/(4 eta^2 epsilon))`` from noise on the
        way, noise beyond adds as much, and x grows by ``v`` a step; .635 is the mean of ``-ln |z|``
        over normal z.
        """
        rate = self.learning_rate**2 * self.epsilon
        sigma = self.learning_rate * sp.sqrt(self.noise)
        at_edge = sigma * (sp.pi / rate) ** sp.Rational(1, 4)
        gain = sp.log(sp.sqrt(2 * self.epsilon) / at_edge) + MEAN_LOGARITHM
        return _height_of(rate * gain, self.learning_rate)

    def memory_peak(self, height: Any, offset: Any) -> sp.Expr:
        """Largest y without noise, from ``(offset, height)`` with ``1/eta < height < 2/eta``.

        x shrinks by ``m = |1 - eta y|`` on the way to the edge and has to grow by as much beyond
        it: ``v ln v - v + 1 = 1 - m + m ln m + eta^2 epsilon ln(sqrt(2 epsilon)/|offset|)``.
        """
        eta, m = self.learning_rate, self.learning_rate * sp.sympify(height) - 1
        rate = eta**2 * self.epsilon
        gain = rate * sp.log(sp.sqrt(2 * self.epsilon) / sp.Abs(sp.sympify(offset)))
        return _height_of(1 - m + m * sp.log(m) + gain, eta)


def _height_of(exponent: sp.Expr, eta: sp.Expr) -> sp.Expr:
    """``y = (1 + v)/eta`` of the root ``v > 1`` of ``v ln v - v + 1 = exponent``."""
    return (1 + sp.exp(1 + sp.LambertW((exponent - 1) / sp.E))) / eta
