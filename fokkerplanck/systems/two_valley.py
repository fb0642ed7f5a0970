"""Two valleys, flat and sharp, whose barrier grows while both flatten: transient freezing.

``L = L0(y) + x (x - g1)/f1`` for x >= 0, the flat valley, ``L0(y) + x (x + g2)/f2`` for x < 0, the
sharp one; y is the direction of progress (N. Yang, Y. Zhang, Q. Ouyang, C. Tang and Y. Tu,
arXiv:2601.10962, 2026).  Every formula is proved in derivations/10_two_valley.py and
18_freezing.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import Hessian, HessianSquared, Variables
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.model.symbols import as_variables, differentiate, match_names
from fokkerplanck.systems.freezing import first_crossing
from fokkerplanck.systems.two_parabolas import SIDES, Reading, Side, TwoParabolas

__all__ = ["ShortenedHessian", "TwoValley"]

Covariance = Literal["hessian", "shortened_hessian", "random_shift"]

x, y = sp.symbols("x y", real=True)
Delta_S = sp.Symbol("Delta_S", positive=True)
X1, X2 = sp.Rational(4, 5), sp.Rational(13, 20)
PARAMETERS = ("f0", "x0", "x1", "x2", "y_f", "y_b", "y_d", "L_d", "noise")


@dataclass(frozen=True)
class ShortenedHessian(Hessian):
    """``C = scale [H + correction]_+ + floor I``: a Hessian from which terms were left out."""

    correction: Any = field(kw_only=True)

    def covariance(self, loss: sp.Expr, variables: Variables) -> sp.ImmutableMatrix:
        return sp.ImmutableMatrix(
            super().covariance(loss, variables) + self.scale * self.correction
        )


@dataclass(frozen=True)
class TwoValley:
    r"""The two-valley loss with noise ``C = 2 sigma [H]_+ + 1e-8 I``, ``Delta_S = eta sigma``.

    ``g_i = 2 x_i y/(y + y_b)``, ``f_i = f0 (x_i/x0)^2 (y + y_f)^2/(y + y_b)^2``, ``L0 = L_d
    exp(-y/y_d) + x0^2/f0``.  Across the valleys ``L_xx = 2/f_i``, their floors lie at ``g1/2`` and
    ``-g2/2``, and both have the `barrier` ``(x0^2/f0) y^2/(y + y_f)^2``.

    Parameters
    ----------
    f0, x0, x1, x2, y_f, y_b, y_d, L_d : number or symbol
        The defaults are those of the paper.
    noise : number or symbol
        ``Delta_S > 0``.
    variables : sequence of 2 Symbols
        Across the valleys and along them.

    Raises
    ------
    InvalidModel
        When a parameter is a number that is not positive.

    Notes
    -----
    Across the valleys everything is fast, and in closed form at fixed y (`at`).  Along them y moves
    almost without noise (`velocity`).  The discrete iteration is Itô's; the paper reads its
    densities in the isothermal convention, and its rates as times to the ridge.

    Examples
    --------
    >>> valley = TwoValley(noise=1e-3)
    >>> float(valley.at(5).flat_probability("ito"))
    0.93315
    >>> valley.optimizer(0.01).variables
    (x, y)
    >>> float(valley.y_freeze(1))
    10.33
    """

    f0: Any = 1
    x0: Any = 1
    x1: Any = X1
    x2: Any = X2
    y_f: Any = 20
    y_b: Any = 30
    y_d: Any = 100
    L_d: Any = 1
    noise: Any = Delta_S
    variables: Any = (x, y)

    def __post_init__(self) -> None:
        variables = as_variables(self.variables)
        if len(variables) != 2:
            raise InvalidModel(f"two_valley has 2 variables, across and along, not {variables}")
        object.__setattr__(self, "variables", variables)
        for name in PARAMETERS:
            value = match_names(getattr(self, name), variables)
            if value.free_symbols & set(variables):
                raise InvalidModel(f"{name} = {value} must not depend on {variables}")
            if value.is_number and not value.is_positive:
                raise InvalidModel(f"{name} must be positive, not {value}")
            object.__setattr__(self, name, value)

    # The landscape -------------------------------------------------------------------------

    @property
    def loss(self) -> sp.Expr:
        """``L(x, y)``."""
        return self.at().loss

    @property
    def base_loss(self) -> sp.Expr:
        """``L0(y)``, the loss on the ridge."""
        return self.L_d * sp.exp(-self.variables[1] / self.y_d) + self.x0**2 / self.f0

    @property
    def flatness_ratio(self) -> sp.Expr:
        """``gamma = (x1/x2)^2``."""
        return (self.x1 / self.x2) ** 2

    @property
    def barrier(self) -> sp.Expr:
        """``Delta L(y) = (x0^2/f0) y^2/(y + y_f)^2``, the same in both valleys."""
        along = self.variables[1]
        return self.x0**2 / self.f0 * along**2 / (along + self.y_f) ** 2

    def separation(self, side: Side) -> sp.Expr:
        """``g_i(y)``, twice the distance of a floor from the ridge."""
        along = self.variables[1]
        return 2 * self._offset(side) * along / (along + self.y_b)

    def flatness(self, side: Side) -> sp.Expr:
        """``f_i(y) = 2/L_xx``."""
        along, offset = self.variables[1], self._offset(side)
        return self.f0 * (offset / self.x0) ** 2 * (along + self.y_f) ** 2 / (along + self.y_b) ** 2

    def at(self, along: Any = None) -> TwoParabolas:
        """The cut across the valleys at a fixed y, with its closed forms; at the symbol y if None.

        Its `TwoParabolas.optimizer` and `TwoParabolas.diffusion` are the model in x alone.
        """
        place = {} if along is None else {self.variables[1]: sp.sympify(along)}
        return TwoParabolas(
            tuple(self.flatness(side).subs(place) for side in SIDES),
            tuple(self.separation(side).subs(place) for side in SIDES),
            self.noise,
            base_loss=self.base_loss.subs(place),
            variable=self.variables[0],
        )

    # Noise ---------------------------------------------------------------------------------

    def optimizer(
        self, learning_rate: Any, *, covariance: Covariance = "hessian", floor: Any = 1e-8
    ) -> SGD:
        r"""SGD with ``sigma = Delta_S/eta``.

        Parameters
        ----------
        learning_rate : number or symbol
        covariance : {"hessian", "shortened_hessian", "random_shift"}
            ``2 sigma [H]_+``; the same without the term ``f''`` of ``H_yy``, as the authors'
            program has it; ``2 sigma H^2``.
        floor : number or expression
            Isotropic variance added after the clip; a random shift has none.
        """
        eta = sp.sympify(learning_rate)
        sigma = self.noise / eta
        noise: Hessian | HessianSquared
        if covariance == "hessian":
            noise = Hessian(2 * sigma, negative="clip", floor=floor)
        elif covariance == "shortened_hessian":
            noise = ShortenedHessian(
                2 * sigma, negative="clip", floor=floor, correction=self._left_out()
            )
        elif covariance == "random_shift":
            noise = HessianSquared(2 * sigma)
        else:
            raise InvalidModel(
                'covariance is "hessian", "shortened_hessian" or "random_shift", '
                f"not {covariance!r}"
            )
        return SGD(self.loss, self.variables, noise, learning_rate=eta)

    def diffusion(self, *, covariance: Covariance = "hessian") -> Diffusion:
        """``A = -grad L`` and ``D = Delta_S [H]_+``, or ``Delta_S H^2``: no floor, Itô."""
        return self.optimizer(sp.S.One, covariance=covariance, floor=0).diffusion()

    def _left_out(self) -> sp.ImmutableMatrix:
        """``(L - L0) f''/f``, which ``f''`` takes from ``H_yy``; f''/f is that of both valleys."""
        flatness = self.flatness("flat")
        bend = differentiate(flatness, *2 * self.variables[1:]) / flatness
        excess = sp.piecewise_fold((self.loss - self.base_loss) * sp.simplify(bend))
        return sp.ImmutableMatrix([[0, 0], [0, excess]])

    # Along the valleys ---------------------------------------------------------------------

    def velocity(self) -> sp.Expr:
        """``dy/dt`` on either floor: ``-d(L0 - Delta L)/dy``."""
        return -differentiate(self.base_loss - self.barrier, self.variables[1])

    def thermal_velocity(self, side: Side) -> sp.Expr:
        """What the spread ``<(x - floor)^2> = Delta_S`` adds to `velocity`: ``Delta_S f'/f^2``."""
        flatness = self.flatness(side)
        return self.noise * differentiate(flatness, self.variables[1]) / flatness**2

    def equilibrium_probability(self) -> sp.Expr:
        """``gamma/(1 + gamma)``: the ratio of times to the ridge under isotropic noise.

        The equilibrium line of the paper.  The Gibbs density has `gibbs_probability` instead.
        """
        return self.flatness_ratio / (1 + self.flatness_ratio)

    def gibbs_probability(self) -> sp.Expr:
        """``x1/(x1 + x2)``: P(x > 0) of ``exp(-L/T)``, at any temperature and y."""
        return self.x1 / (self.x1 + self.x2)

    def master_equation(self, probability: Any, reading: Reading = "first_passage") -> sp.Expr:
        """``dP/dy = (k_sharp (1 - P) - k_flat P)/velocity`` for the probability P of x > 0."""
        cut = self.at()
        share = sp.sympify(probability)
        k_flat, k_sharp = (cut.transition_rate(side, reading) for side in SIDES)
        return (k_sharp * (1 - share) - k_flat * share) / self.velocity()

    # Freezing ------------------------------------------------------------------------------

    def freezing_criterion(self, threshold: Any, reading: Reading = "first_passage") -> sp.Eq:
        r"""``k_sharp = -eps (1 + r)^-1 dr/dt`` along `velocity`, with ``r = k_flat/k_sharp``.

        The rate of leaving the sharp valley has fallen to eps times the rate at which the
        stationary ``P_flat = 1/(1 + r)`` grows.
        """
        cut = self.at()
        ratio = 1 / cut.flat_odds(reading)
        growth = -differentiate(ratio, self.variables[1]) * self.velocity() / (1 + ratio)
        return sp.Eq(cut.transition_rate("sharp", reading), sp.sympify(threshold) * growth)

    def y_freeze(self, threshold: Any, *, reading: Reading = "first_passage") -> float:
        """Where `freezing_criterion` is first met; infinite where it never is.

        At strong noise ``P_flat`` saturates while transitions go on, and the sharp valley is left
        faster than eps times its growth for ever.  Searched from 1e-3 to 1e3 times the smallest of
        ``y_b``, ``y_f`` and ``y_d``.

        Raises
        ------
        UnboundSymbol
            When a parameter has no value.
        """
        criterion = self.freezing_criterion(threshold, reading)
        scale = min(float(value) for value in (self.y_b, self.y_f, self.y_d))
        return first_crossing(criterion, self.variables[1], scale)

    def phi(self) -> sp.Expr:
        r"""``Phi = [2 (x1^2 - x2^2)/(27 y_b)] [L_d/y_d + 8 x0^2/(27 y_f f0)]``.

        Over deep barriers the growth rate in `freezing_criterion` is at most ``2 r/(1 + r)
        Phi/Delta_S``: both factors that depend on y are taken at their largest.
        """
        spread = 2 * (self.x1**2 - self.x2**2) / (27 * self.y_b)
        return spread * (self.L_d / self.y_d + 8 * self.x0**2 / (27 * self.y_f * self.f0))

    def y_freeze_approximation(self, threshold: Any) -> sp.Expr:
        r"""``y_b q/(x2 - q)``, ``q^2 = Delta_S ln(Delta_S/(eps Phi)^2)``; real for small eps.

        Solves ``exp(-z2^2) = eps Phi/sqrt(Delta_S)``: the criterion with ``Phi/Delta_S`` for the
        growth rate, that is r = 1, and 1 for the factor ``sqrt(2/pi) q/f2`` of the deep rate.
        """
        level = (sp.sympify(threshold) * self.phi()) ** 2
        q = sp.sqrt(self.noise * sp.log(self.noise / level))
        return self.y_b * q / (self.x2 - q)

    def _offset(self, side: Side) -> sp.Expr:
        return self.x1 if side == "flat" else self.x2
