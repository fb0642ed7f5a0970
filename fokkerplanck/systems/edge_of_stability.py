"""The edge of stability: gradient descent with ``eta S`` about 2, in one and two parameters.

Gradient descent on a curvature above ``2/eta`` oscillates; what limits the oscillation is the next
order of the loss, in the same direction (`Quartic`) or through another parameter
(`MinimalProblem`).  Every formula is proved in derivations/15_edge_of_stability.py, what concerns
rods in derivations/14_rod_flow.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import sympy as sp

from fokkerplanck.errors import InvalidModel, UnboundSymbol

__all__ = ["MinimalProblem", "Quadratic", "Quartic", "TwoCycle"]

w, x, y = sp.symbols("w x y", real=True)
S, Q, epsilon = sp.symbols("S Q epsilon", positive=True)


class TwoCycle(NamedTuple):
    """Center and half-difference of the two points of a cycle, one entry a variable."""

    center: tuple[sp.Expr, ...]
    half_difference: tuple[sp.Expr, ...]


def _positive(value: Any, name: str) -> sp.Expr:
    number = sp.sympify(value)
    if number.is_number and not number.is_positive:
        raise InvalidModel(f"{name} must be positive, not {number}")
    return number


@dataclass(frozen=True)
class Quadratic:
    """``L = S w^2/2``: unstable exactly above ``S = 2/eta``.

    Parameters
    ----------
    sharpness : number or symbol
        ``S > 0``.

    Raises
    ------
    InvalidModel

    Examples
    --------
    >>> Quadratic(2).multiplier(0.75), Quadratic(2).extent_rate(1)
    (-0.5, 0)
    """

    sharpness: Any = S

    def __post_init__(self) -> None:
        object.__setattr__(self, "sharpness", _positive(self.sharpness, "sharpness"))

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """``(w,)``."""
        return (w,)

    @property
    def loss(self) -> sp.Expr:
        """``S w^2/2``."""
        return self.sharpness * w**2 / 2

    def multiplier(self, learning_rate: Any) -> sp.Expr:
        """``1 - eta S``, of one step."""
        return 1 - sp.sympify(learning_rate) * self.sharpness

    def extent_rate(self, learning_rate: Any) -> sp.Expr:
        """``eta^2 S^2/2 - 2``: rate of growth of Sigma per step in rod flow.

        Gradient descent has ``2 ln |1 - eta S|``, equal to it to first order in ``eta S - 2``.
        """
        return (sp.sympify(learning_rate) * self.sharpness) ** 2 / 2 - 2


@dataclass(frozen=True)
class Quartic:
    """``L = S w^2/2 - Q w^4/4``: above ``S = 2/eta`` it cycles, about 0 up to ``S = 3/eta``.

    Parameters
    ----------
    sharpness, quartic : number or symbol
        ``S, Q > 0``.

    Raises
    ------
    InvalidModel

    Examples
    --------
    >>> Quartic(1, 1).extent(2.1), Quartic(1, 1).extent(3.1), Quartic(1, 1).center_squared(3.1)
    (0.04762, 0.33065, 0.0080645)
    """

    sharpness: Any = S
    quartic: Any = Q

    def __post_init__(self) -> None:
        for name in ("sharpness", "quartic"):
            object.__setattr__(self, name, _positive(getattr(self, name), name))

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """``(w,)``."""
        return (w,)

    @property
    def loss(self) -> sp.Expr:
        """``S w^2/2 - Q w^4/4``."""
        return self.sharpness * w**2 / 2 - self.quartic * w**4 / 4

    def symmetric_extent(self, learning_rate: Any) -> sp.Expr:
        """``delta^2 = (S - 2/eta)/Q`` of the cycle about 0, which exists above ``S = 2/eta``."""
        return (self.sharpness - 2 / sp.sympify(learning_rate)) / self.quartic

    def asymmetric_extent(self, learning_rate: Any) -> sp.Expr:
        """``delta^2 = (S + 1/eta)/(4 Q)`` of the two cycles beside 0, above ``S = 3/eta``."""
        return (self.sharpness + 1 / sp.sympify(learning_rate)) / (4 * self.quartic)

    def spurious_extent(self, learning_rate: Any) -> sp.Expr:
        """``(S + 2/eta)/Q``: where rod flow rests, unstably, and gradient descent has no cycle."""
        return (self.sharpness + 2 / sp.sympify(learning_rate)) / self.quartic

    def extent(self, learning_rate: Any) -> sp.Expr:
        """``delta^2`` of the attracting cycle: 0, then symmetric, then asymmetric."""
        product = sp.sympify(learning_rate) * self.sharpness
        return sp.Piecewise(
            (0, product <= 2),
            (self.symmetric_extent(learning_rate), product <= 3),
            (self.asymmetric_extent(learning_rate), True),
        )

    def center_squared(self, learning_rate: Any) -> sp.Expr:
        """Square of the cycle's centre: ``(S - 3/eta)/(4 Q)`` above ``S = 3/eta``, else 0."""
        beyond = (self.sharpness - 3 / sp.sympify(learning_rate)) / (4 * self.quartic)
        product = sp.sympify(learning_rate) * self.sharpness
        return sp.Piecewise((0, product <= 3), (beyond, True))

    def extent_rate(self, learning_rate: Any) -> sp.Expr:
        """``-2 eta Q Sigma*``: rate per step at which rod flow approaches the symmetric cycle."""
        eta = sp.sympify(learning_rate)
        return -2 * eta * self.quartic * self.symmetric_extent(eta)

    def cycle_multiplier(self, learning_rate: Any) -> sp.Expr:
        """Multiplier of two steps about the attracting cycle.

        ``(2 eta S - 5)^2`` up to the pitchfork at ``eta S = 3``, ``9 - 2 (eta S - 1)^2`` beyond; it
        reaches -1 at ``eta S = 1 + sqrt(5)``, where the period doubles.
        """
        product = sp.sympify(learning_rate) * self.sharpness
        return sp.Piecewise(
            ((2 * product - 5) ** 2, product <= 3), (9 - 2 * (product - 1) ** 2, True)
        )


@dataclass(frozen=True)
class MinimalProblem:
    """``L = (y + x) x^2/2 - epsilon (x + y)``: x oscillates, y is the curvature that it feels.

    y climbs by ``eta epsilon`` a step until x oscillates with ``delta_x^2 = 2 epsilon``.

    Parameters
    ----------
    epsilon : number or symbol
        Positive.

    Raises
    ------
    InvalidModel

    Examples
    --------
    >>> cycle = MinimalProblem(0.01).two_cycle(0.3)
    >>> cycle.center, cycle.half_difference
    ((-0.0029946, 6.6756), (0.14139, -0.0000635))
    """

    epsilon: Any = epsilon

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", _positive(self.epsilon, "epsilon"))

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """``(x, y)``."""
        return (x, y)

    @property
    def loss(self) -> sp.Expr:
        """``(y + x) x^2/2 - epsilon (x + y)``."""
        return (y + x) * x**2 / 2 - self.epsilon * (x + y)

    def center_equation(self, center: Any, learning_rate: Any) -> sp.Expr:
        """Vanishes at the x of the centre of a 2-cycle; a cubic.

        ``c (2/eta + eta epsilon - 3 c - eta c^2) + 2 epsilon``.
        """
        eta, c = sp.sympify(learning_rate), sp.sympify(center)
        return c * (2 / eta + eta * self.epsilon - 3 * c - eta * c**2) + 2 * self.epsilon

    def cycle_about(self, center: Any, learning_rate: Any) -> TwoCycle:
        """The 2-cycle whose centre has this x, a root of `center_equation`.

        ``delta_x^2 = 2 epsilon - c^2``, ``delta_y = eta c delta_x/2``, ``y = 2/eta - 3 c -
        eta c^2/2``.
        """
        eta, c = sp.sympify(learning_rate), sp.sympify(center)
        half = sp.sqrt(2 * self.epsilon - c**2)
        return TwoCycle((c, 2 / eta - 3 * c - eta * c**2 / 2), (half, eta * c * half / 2))

    def two_cycle(self, learning_rate: Any) -> TwoCycle:
        """The 2-cycle of small ``epsilon``: ``y = 2/eta + 3 eta epsilon + O(epsilon^2)``.

        Raises
        ------
        UnboundSymbol
            When a number is missing.
        InvalidModel
            When there is no such cycle.
        """
        equation = sp.Poly(self.center_equation(x, learning_rate), x)
        if equation.free_symbols_in_domain:
            raise UnboundSymbol("the 2-cycle needs numbers for eta and epsilon")
        size = sp.sqrt(2 * self.epsilon)
        roots = [sp.re(r) for r in equation.nroots() if abs(sp.im(r)) < 1e-12 * size]
        # The branch that starts at c = -eta epsilon has the smallest |c|.
        center = min(roots, key=abs)
        if abs(center) >= size:
            raise InvalidModel(f"no 2-cycle exists: its centre {center} is beyond {size}")
        return self.cycle_about(center, learning_rate)

    def oscillator(self, a: Any, b: Any, learning_rate: Any) -> tuple[sp.Expr, sp.Expr]:
        """Velocities per step of self-stabilisation at leading order.

        ``x = +- sqrt(epsilon) a`` alternating, ``y = 2/eta + sqrt(epsilon) b``: ``a' = omega a b``,
        ``b' = omega (1 - a^2/2)`` with ``omega = eta sqrt(epsilon)``.
        """
        omega = sp.sympify(learning_rate) * sp.sqrt(self.epsilon)
        a, b = sp.sympify(a), sp.sympify(b)
        return omega * a * b, omega * (1 - a**2 / 2)

    def conserved(self, a: Any, b: Any) -> sp.Expr:
        """``b^2/2 + a^2/4 - ln(a^2)/2``, constant along `oscillator`; smallest at the cycle."""
        a, b = sp.sympify(a), sp.sympify(b)
        return b**2 / 2 + a**2 / 4 - sp.log(a**2) / 2

    def frequency(self, learning_rate: Any) -> sp.Expr:
        """``eta sqrt(2 epsilon)``, radians per step of small self-stabilisation oscillations."""
        return sp.sympify(learning_rate) * sp.sqrt(2 * self.epsilon)
