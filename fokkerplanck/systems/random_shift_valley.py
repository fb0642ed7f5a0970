"""The degenerate valley with the noise of randomly shifted losses, ``C = sigma H^2``.

A minibatch sees the loss shifted by ``s``, Cov(s) = sigma I, so its gradient is off by ``H s``
(N. Yang, C. Tang and Y. Tu, Phys. Rev. Lett. 130, 237101, 2023).  The noise along the valley and
across it comes from one shift: it is correlated, which decides the density along the valley.  Every
formula is proved in derivations/11_random_shift_valley.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import HessianSquared
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.model.symbols import differentiate
from fokkerplanck.systems.degenerate_valley import check_valley, s, x, y

__all__ = ["RandomShiftValley"]

Delta_S = sp.Symbol("Delta_S", positive=True)


@dataclass(frozen=True)
class RandomShiftValley:
    r"""Valley ``L = L0(x) + lambda(x) y^2/2`` with ``C = sigma H^2``, ``D = (Delta_S/2) H^2``.

    Parameters
    ----------
    curvature : expression of x
        ``lambda > 0``.
    base_loss : expression of x
        ``L0``, the loss on the valley's floor.
    noise : number or symbol
        ``Delta_S = eta sigma > 0``.
    variables : sequence of 2 Symbols
        Coordinates along and across the valley.

    Raises
    ------
    InvalidModel
        When `curvature` or `base_loss` contains the coordinate across, or the curvature or `noise`
        is a number that is not positive.

    Notes
    -----
    Methods that take a learning rate hold for the discrete iteration at fixed x, where ``y' = (1 -
    eta lambda - eta lambda' s_x) y - eta lambda s_y``; without it, for ``eta -> 0`` at fixed
    Delta_S.  ``C`` leaves out that a literal shift also changes the mean gradient, by ``(sigma/2)
    grad tr H``.

    Examples
    --------
    >>> valley = RandomShiftValley()
    >>> valley.along().drift[0].coeff(valley.noise, 1).factor()
    (tanh(x) - 1)*(tanh(x) + 1)*(tanh(x) + 2)/4
    >>> valley.local_ratio().subs(x, 0)
    4/Delta_S
    """

    curvature: Any = 2 + sp.tanh(x)
    base_loss: Any = sp.S.Zero
    noise: Any = Delta_S
    variables: Any = (x, y)

    def __post_init__(self) -> None:
        check_valley(self, positive=("noise", "curvature"))

    @property
    def loss(self) -> sp.Expr:
        """``L(x, y)``."""
        return self.base_loss + self.curvature * self.variables[1] ** 2 / 2

    def optimizer(self, learning_rate: Any) -> SGD:
        """SGD with ``C = sigma H^2``, ``sigma = Delta_S/eta``."""
        eta = sp.sympify(learning_rate)
        noise = HessianSquared(self.noise / eta)
        return SGD(self.loss, self.variables, noise, learning_rate=eta)

    def diffusion(self) -> Diffusion:
        """The Itô diffusion with ``A = -grad L``, ``D = (Delta_S/2) H^2``."""
        return self.optimizer(sp.S.One).diffusion()

    # Along the valley ----------------------------------------------------------------------

    def variance_across(self, learning_rate: Any = 0) -> sp.Expr:
        r"""Stationary ``<y^2>`` at fixed x, ``(Delta_S lambda/2)/(1 - eta lambda/2 - 1/kappa)``.

        kappa is `local_ratio`.  Exact for the iteration; infinite from `mean_square_boundary` on.
        """
        lam, eta = self.curvature, sp.sympify(learning_rate)
        return self.noise * lam / 2 / (1 - eta * lam / 2 - 1 / self.local_ratio())

    def drift_along(self) -> sp.Expr:
        """``-L0' - Delta_S lambda lambda'/4``: the leading order of `along`."""
        return -self._base_slope() - self.noise * self.curvature * self._slope() / 4

    def along(self) -> Diffusion:
        r"""The Itô diffusion of x once y is eliminated, to second order in Delta_S.

        ``D = Delta_S^2 lambda lambda'^2/16`` and ``A = -L0' - Delta_S lambda lambda'/4 - Delta_S
        L0' lambda'^2/(8 lambda) + (Delta_S^2/32) (lambda'^3 - 6 lambda lambda' lambda'')``, for L0
        of order Delta_S.

        The noise along the valley, ``D_xx = (Delta_S/2) lambda'^2 y^2``, would give 4 times this D;
        its correlation with the noise across takes all of it away, and what is left is the
        fluctuation of the force ``-lambda' y^2/2``.
        """
        lam, slope, noise = self.curvature, self._slope(), self.noise
        bend = differentiate(slope, self.variables[0])
        second = noise**2 / 32 * (slope**3 - 6 * lam * slope * bend)
        second -= noise * self._base_slope() * slope**2 / (8 * lam)
        tensor = noise**2 * lam * slope**2 / 16
        return Diffusion(self.variables[:1], [self.drift_along() + second], [[tensor]])

    def local_ratio(self) -> sp.Expr:
        r"""Local ``kappa = D_yy/D_xx = 2 lambda/(Delta_S lambda'^2)``, ``y^2`` at its mean.

        A ratio of diagonal entries: it overlooks the correlation of the two noises.
        """
        return 2 * self.curvature / (self.noise * self._slope() ** 2)

    def sgd_loss(self) -> sp.Expr:
        r"""``L_SGD`` on the floor by the local-kappa reading, up to a constant.

        ``Delta (1 - kappa) ln F + (kappa - 1) L0`` with ``Delta = D_yy`` and kappa taken as local
        constants: the slope of ``ln P`` along the valley would be ``-(lambda'/lambda) kappa/2 -
        kappa L0'/Delta``.  `log_density_slope` has what the correlated noise really gives.
        """
        noise = self.noise * self.curvature**2 / 2
        excess = self.local_ratio() - 1
        return noise * excess * sp.log(self.curvature) / 2 + excess * self.base_loss

    def log_density_slope(self) -> sp.Expr:
        r"""Leading order of ``d ln P/dx``, ``drift/D = -4/(Delta_S lambda') - 16 L0'/(Delta_S^2
        lambda lambda'^2)``.

        Four times that of the local-kappa reading.
        """
        scale = self.noise**2 * self.curvature * self._slope() ** 2 / 16
        return sp.expand(self.drift_along() / scale)

    def convergence_time(self, start: Any, end: Any) -> sp.Expr:
        r"""Time along the drift, ``int dx/drift``, an `Integral` from `start` to `end`.

        On a level floor ``(4/Delta_S) int -dx/(lambda lambda')``: in steps ``1/(eta Delta_S)``.
        """
        along = self.variables[0]
        integrand = (1 / self.drift_along()).xreplace({along: s})
        return sp.Integral(integrand, (s, sp.sympify(start), sp.sympify(end)))

    # Stability -----------------------------------------------------------------------------

    def linear_boundary(self, learning_rate: Any) -> sp.Expr:
        """``eta lambda - 2``: negative where the mean of y converges."""
        return sp.sympify(learning_rate) * self.curvature - 2

    def mean_square_boundary(self, learning_rate: Any) -> sp.Expr:
        r"""``(1 - eta lambda)^2 + eta Delta_S lambda'^2 - 1``: negative where ``<y^2>`` is finite.

        That is ``eta lambda/2 + 1/kappa < 1``; as ``eta -> 0`` it is ``kappa > 1``.
        """
        eta = sp.sympify(learning_rate)
        return (1 - eta * self.curvature) ** 2 + eta * self.noise * self._slope() ** 2 - 1

    def lyapunov_exponent(self, learning_rate: Any) -> sp.Expr:
        r"""``E ln |1 - eta lambda - eta lambda' s_x|`` a step: negative where y has a density.

        With ``m = 1 - eta lambda`` and ``b^2 = eta Delta_S lambda'^2`` it is ``ln b - (gamma_E + ln
        2)/2 + (m^2/(2 b^2)) 2F2(1, 1; 3/2, 2; -m^2/(2 b^2))``, the mean over the normal law of the
        shift; ``ln |m|`` where lambda' = 0.  Where it is negative and `mean_square_boundary`
        positive, y has a density with infinite variance.
        """
        eta = sp.sympify(learning_rate)
        mean = 1 - eta * self.curvature
        spread = eta * self.noise * self._slope() ** 2
        if spread == 0:
            return sp.log(sp.Abs(mean))
        ratio = mean**2 / (2 * spread)
        series = sp.hyper([1, 1], [sp.Rational(3, 2), 2], -ratio)
        return sp.log(spread) / 2 - (sp.EulerGamma + sp.log(2)) / 2 + ratio * series

    def _slope(self) -> sp.Expr:
        return differentiate(self.curvature, self.variables[0])

    def _base_slope(self) -> sp.Expr:
        return differentiate(self.base_loss, self.variables[0])
