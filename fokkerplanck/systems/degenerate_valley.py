"""The degenerate valley: a line of minima whose flatness varies along it.

The gradient noise is stronger across the valley than along it, so its density in the plane has no
potential, and it settles where the valley is flat (N. Yang, C. Tang and Y. Tu, Phys. Rev. Lett.
130, 237101, 2023).  Every formula is proved in derivations/05_degenerate_valley.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import Covariance
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.model.symbols import as_variables, differentiate, gradient, match_names

__all__ = ["MinimalValley"]

x, y = sp.symbols("x y", real=True)
kappa, Delta = sp.symbols("kappa Delta", positive=True)
s = sp.Dummy("s", real=True)  # variable of integration, one object so that results compare equal


def check_valley(valley: Any, *, positive: tuple[str, ...]) -> None:
    """Sympify the fields of a valley model in place, match its variables by name, and check them.

    Raises
    ------
    InvalidModel
        When there are not 2 variables, `curvature` or `base_loss` contains the one across, or a
        field named in `positive` is a number that is not.
    """
    variables = as_variables(valley.variables)
    if len(variables) != 2:
        raise InvalidModel(f"a valley has 2 variables, along and across it, not {variables}")
    object.__setattr__(valley, "variables", variables)
    for name in ("curvature", "base_loss"):
        value = match_names(getattr(valley, name), variables)
        if value.has(variables[1]):
            raise InvalidModel(f"{name} = {value} must not depend on {variables[1]}")
        object.__setattr__(valley, name, value)
    object.__setattr__(valley, "noise", sp.sympify(valley.noise))
    for name in positive:
        value = getattr(valley, name)
        if value.is_number and not value.is_positive:
            raise InvalidModel(f"{name} must be positive, not {value}")


@dataclass(frozen=True)
class MinimalValley:
    r"""Valley ``L = L0(x) + lambda(x) y^2/2`` with constant noise, stronger across than along.

    ``A = -grad L``, ``D = diag(Delta/kappa, Delta)``, in time ``t = eta * steps``.

    Parameters
    ----------
    curvature : expression of x
        ``lambda > 0``.
    base_loss : expression of x
        ``L0``, the loss on the valley's floor.
    kappa : number or symbol
        ``D_yy/D_xx > 0``; at 1 the diffusion is in detailed balance.
    noise : number or symbol
        ``Delta = D_yy > 0``.
    variables : sequence of 2 Symbols
        Coordinates along and across the valley.

    Raises
    ------
    InvalidModel
        When `curvature` or `base_loss` contains the coordinate across, or the curvature, `kappa`
        or `noise` is a number that is not positive.

    Notes
    -----
    The closed forms describe the stationary state without flux along the valley: between walls far
    enough out, or confined by ``L0``.  At ``kappa = 1`` they are exact.  Otherwise they are the
    leading order where y relaxes faster than x moves (`small_parameter`), and corrections come in
    powers of Delta when ``L0`` is of order Delta.  Densities are not normalised.

    Examples
    --------
    >>> valley = MinimalValley()
    >>> valley.loss
    y**2*(tanh(x) + 2)/2
    >>> valley.marginal()
    (tanh(x) + 2)**(-kappa/2)
    >>> valley.diffusion().potential() is None
    True
    >>> MinimalValley(kappa=1).diffusion().potential()
    y**2*(tanh(x) + 2)/(2*Delta)
    """

    curvature: Any = 2 + sp.tanh(x)
    base_loss: Any = sp.S.Zero
    kappa: Any = kappa
    noise: Any = Delta
    variables: Any = (x, y)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kappa", sp.sympify(self.kappa))
        check_valley(self, positive=("curvature", "kappa", "noise"))

    @property
    def loss(self) -> sp.Expr:
        """``L(x, y)``."""
        return self.base_loss + self.curvature * self.variables[1] ** 2 / 2

    @property
    def flatness(self) -> sp.Expr:
        """``F = lambda^(-1/2)``, the valley's width at a given loss, up to a constant."""
        return 1 / sp.sqrt(self.curvature)

    def diffusion(self) -> Diffusion:
        """The Itô diffusion with ``A = -grad L``, ``D = diag(Delta/kappa, Delta)``."""
        tensor = sp.diag(self.noise / self.kappa, self.noise)
        return Diffusion(self.variables, -gradient(self.loss, self.variables), tensor)

    def optimizer(self, learning_rate: Any) -> SGD:
        """SGD whose modified equation of order 1 is `diffusion`: ``C = (2/eta) D``."""
        eta = sp.sympify(learning_rate)
        tensor: sp.ImmutableMatrix = self.diffusion().tensor
        return SGD(self.loss, self.variables, Covariance(2 / eta * tensor), learning_rate=eta)

    def sgd_loss(self) -> sp.Expr:
        """What the noise adds to the loss: ``L_SGD = Delta (1-kappa) ln F + (kappa-1) L0``."""
        ratio = self.kappa - 1
        return -self.noise * ratio * sp.log(self.flatness) + ratio * self.base_loss

    def effective_loss(self) -> sp.Expr:
        """``L + L_SGD``; the density is ``exp(-(L + L_SGD)/Delta)``."""
        return self.loss + self.sgd_loss()

    def density(self) -> sp.Expr:
        """Density in the plane ``exp(-(L + L_SGD)/Delta) = F^(kappa-1) exp(...)``."""
        exponent = (self.loss + (self.kappa - 1) * self.base_loss) / self.noise
        return self.flatness ** (self.kappa - 1) * sp.exp(-exponent)

    def marginal(self) -> sp.Expr:
        """Density along the valley ``F^kappa exp(-kappa L0/Delta)``."""
        return self.flatness**self.kappa * sp.exp(-self.kappa * self.base_loss / self.noise)

    def small_parameter(self) -> sp.Expr:
        r"""``epsilon(x) = kappa Delta lambda'^2 / (4 lambda^3)``.

        The fluctuation of the force ``-lambda' y^2/2`` adds the diffusion ``lambda'^2 Delta^2/(4
        lambda^3)`` along the valley; epsilon is its ratio to ``Delta/kappa``.  It is also the ratio
        of the relaxation times across, ``1/lambda``, and along, over the distance on which
        ``F^kappa`` falls by e.  For ``kappa >> 1`` ln of `marginal` is off by epsilon for
        each such distance, so by about ``kappa epsilon`` between points of unequal flatness; see
        `marginal_correction` for any kappa.  A floor that slopes more than of order Delta adds the
        parameter ``(kappa - 1) L0' lambda'/(2 lambda^2)``.
        """
        lam, slope = self.curvature, self._slope()
        return self.kappa * self.noise * slope**2 / (4 * lam**3)

    def marginal_correction(self) -> sp.Expr:
        r"""First correction to the logarithm of `marginal`, up to a constant.

        ``(kappa-1)/4 [kappa int L0' lambda'^2/lambda^3 dx
        + (Delta/2) ((kappa+1) int lambda'^3/lambda^4 dx - lambda'^2/lambda^3)]``, integrals from 0
        to x left unevaluated (``.doit()``); the derivative contains no integral.
        """
        lam, slope, along = self.curvature, self._slope(), self.variables[0]
        base_slope = differentiate(self.base_loss, along)

        def integral(integrand: sp.Expr) -> sp.Expr:
            if integrand == 0:
                return sp.S.Zero
            return sp.Integral(integrand.xreplace({along: s}), (s, 0, along))

        entropic = (self.kappa + 1) * integral(slope**3 / lam**4) - slope**2 / lam**3
        energetic = self.kappa * integral(base_slope * slope**2 / lam**3)
        return (self.kappa - 1) / 4 * (energetic + self.noise / 2 * entropic)

    def density_correction(self) -> sp.Expr:
        r"""First relative correction to `density`: it times ``1 + `` this, up to a constant.

        `marginal_correction` plus ``r_1 He_2(z) + r_2 He_4(z)`` with ``z^2 = y^2 lambda/Delta``,
        which leave the marginal alone: ``<y^2> = (Delta/lambda)(1 + 2 r_1)``.
        """
        lam, slope = self.curvature, self._slope()
        along, across = self.variables
        bend = differentiate(slope, along)
        lag = (1 - 1 / self.kappa) / (4 * lam)
        relative = slope / lam
        width = (
            self.noise * (bend / lam - (self.kappa / 2 + 2) * relative**2)
            - self.kappa * differentiate(self.base_loss, along) * relative
        )
        z_squared = across**2 * lam / self.noise
        hermite_2, hermite_4 = z_squared - 1, z_squared**2 - 6 * z_squared + 3
        second = lag * width * hermite_2
        fourth = -lag / 4 * self.noise * relative**2 * hermite_4
        return self.marginal_correction() + second + fourth

    def along(self) -> Diffusion:
        r"""The Itô diffusion of x once y is eliminated, to leading order.

        ``A = -L0' - Delta lambda'/(2 lambda)``, the force at ``<y^2> = Delta/lambda``, and ``D =
        Delta/kappa``; its stationary density is `marginal`.
        """
        drift = -differentiate(self.base_loss, self.variables[0])
        drift -= self.noise * self._slope() / (2 * self.curvature)
        return Diffusion(self.variables[:1], [drift], [[self.noise / self.kappa]])

    def convergence_time(self, start: Any, end: Any) -> sp.Expr:
        r"""Time along the drift of `along`, ``int dx/drift``, an `Integral` from `start` to `end`.

        On a level floor ``(2/Delta) int -lambda dx/lambda'``, for ``kappa -> oo``.
        """
        integrand = (1 / self.along().drift[0]).xreplace({self.variables[0]: s})
        return sp.Integral(integrand, (s, sp.sympify(start), sp.sympify(end)))

    def current(self) -> sp.ImmutableMatrix:
        r"""Stationary probability current at leading order, for the density as in `density`.

        ``J_x = (lambda'/2)(1 - 1/kappa)(Delta/lambda - y^2) P`` and the ``J_y`` that makes it free
        of divergence: a circulation, without net flux along the valley.
        """
        along, across = self.variables
        strength = (1 - 1 / self.kappa) * self.noise * self._slope() / (2 * self.curvature)
        stream = strength * across * self.density()
        return sp.ImmutableMatrix([differentiate(stream, across), -differentiate(stream, along)])

    def entropy_production(self) -> sp.Expr:
        r"""Rate of entropy production at x, ``Delta (kappa-1)^2/(2 kappa) (lambda'/lambda)^2``.

        Leading order, per probability and unit of time; the total is its mean over `marginal`.
        """
        relative = self._slope() / self.curvature
        return self.noise * (self.kappa - 1) ** 2 / (2 * self.kappa) * relative**2

    def _slope(self) -> sp.Expr:
        return differentiate(self.curvature, self.variables[0])
