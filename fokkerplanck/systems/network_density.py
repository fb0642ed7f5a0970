r"""Stationary density of a balanced diagonal network: closed form and modes.

With ``n = depth + 1``, ``r = (|v|/width)^(1/n)``, ``N = width n r^(2n-2)``, ``G = alpha1 v^2 -
2 alpha2 v + alpha3`` and T the temperature, on one side of zero (derivations/13)

    ln p = -ln G - (3/2) ln N - (1/T) int [(beta1 v - beta2)/(N G) + gamma n v/(N^2 G)] dv.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fokkerplanck.errors import InvalidModel

__all__ = ["Branch", "highest_maximum"]


@dataclass(frozen=True)
class Branch:
    """Numbers, all floats or all expressions, of one sign of v; v stands for ``|v|`` there.

    ``interpolates`` says that ``alpha1 alpha3 = alpha2^2``: ``G = alpha1 (v - alpha2/alpha1)^2``.
    """

    depth: int
    width: int
    alpha1: Any
    alpha2: Any
    alpha3: Any
    beta1: Any
    beta2: Any
    temperature: Any
    weight_decay: Any
    interpolates: bool = field(kw_only=True)

    @property
    def noiseless(self) -> Any:
        """Where the noise vanishes when the data can be interpolated."""
        return self.alpha2 / self.alpha1

    def log_density(self, v: Any, log_v: Any, gap: Any, xp: Any) -> Any:
        """``ln p`` up to a constant; `gap` is ``v - alpha2/alpha1``, `xp` SymPy or NumPy.

        With NumPy ``v`` may have underflowed to 0 or rounded to the noiseless point: ``log_v`` and
        `gap` carry the digits.
        """
        variance = self.alpha1 * gap**2
        if not self.interpolates:
            variance = variance + self._delta / self.alpha1
        if self.depth <= 1:
            work = self._work_shallow(gap, log_v, variance, xp)
        else:
            work = self._work_deep(v, log_v, xp)
        spread = 3 * self.depth * log_v / (self.depth + 1) if self.depth else 0
        return -xp.log(variance) - spread - work / self.temperature

    @property
    def _delta(self) -> Any:
        return self.alpha1 * self.alpha3 - self.alpha2**2

    def _work_shallow(self, gap: Any, log_v: Any, variance: Any, xp: Any) -> Any:
        """``int (b1 v - b2)/(v^depth G) dv`` with ``int dv/G`` an arctan, or a pole."""
        d, gamma = self.width, self.weight_decay
        if self.interpolates:
            inverse = -1 / (self.alpha1 * gap)
        else:
            root = xp.sqrt(self._delta)
            inverse = xp.atan(self.alpha1 * gap / root) / root
        if self.depth == 0:
            b1, b2 = (self.beta1 + gamma / d) / d, self.beta2 / d
            return (
                b1 * xp.log(variance) / (2 * self.alpha1)
                + (b1 * self.alpha2 / self.alpha1 - b2) * inverse
            )
        b1, b2 = self.beta1 / 2, (self.beta2 - gamma) / 2
        pull = b2 / self.alpha3
        return pull * (xp.log(variance) / 2 - log_v) + (b1 - pull * self.alpha2) * inverse

    def _work_deep(self, v: Any, log_v: Any, xp: Any) -> Any:
        """The same integral in r, where the integrand is ``(b1 r - b2 r^(1-n) + ..)/G(r^n)``."""
        if self.interpolates:
            raise InvalidModel(
                f"alpha1 alpha3 = alpha2^2: at depth {self.depth} no density without label noise "
                "is known in closed form"
            )
        n, d = self.depth + 1, self.width
        log_r = (log_v - xp.log(xp.asarray(1.0 * d) if xp is np else d)) / n
        r = (v / d) ** (1 / n) if xp is np else xp.root(v / d, n)
        work = self.beta1 * d * self._moment_integral(1, r, log_r, xp)
        work = work - self.beta2 * self._moment_integral(1 - n, r, log_r, xp)
        if self.weight_decay != 0:
            work = work + self.weight_decay * self._moment_integral(3 - 2 * n, r, log_r, xp)
        return work

    def _moment_integral(self, power: int, r: Any, log_r: Any, xp: Any) -> Any:
        """``int r^power/G(width r^n) dr`` for ``power < 2n - 1``, by partial fractions.

        Negative powers are divided out first: ``1/G = (1 + (2 a2 V - a1 V^2)/G)/alpha3``.
        """
        n, a3 = self.depth + 1, self.alpha3
        a1, a2 = self.alpha1 * self.width**2, self.alpha2 * self.width
        if power < 0:
            elementary = log_r if power == -1 else r ** (power + 1) / (power + 1)
            first = self._moment_integral(power + n, r, log_r, xp)
            second = self._moment_integral(power + 2 * n, r, log_r, xp)
            return (elementary + 2 * a2 * first - a1 * second) / a3
        root = xp.sqrt(a1 * a3 - a2**2)
        modulus = (a3 / a1) ** (xp.Rational(1, 2 * n) if xp is not np else 1 / (2 * n))
        angle = xp.acos(a2 / xp.sqrt(a1 * a3))
        total = 0
        for k in range(n):  # conjugate pairs of roots r = modulus exp(+-i phi)
            phi = (angle + 2 * xp.pi * k) / n
            cos, sin = modulus * xp.cos(phi), modulus * xp.sin(phi)
            weight = modulus ** (power + 1 - n) / (2 * n * root)
            turn = (power + 1 - n) * phi
            total = total + weight * (
                xp.sin(turn) * xp.log((r - cos) ** 2 + sin**2)
                + 2 * xp.cos(turn) * xp.atan((r - cos) / sin)
            )
        return total


def highest_maximum(branch: Branch) -> float:
    """``|v| > 0`` of the highest local maximum at depth 2 and more, 0 without one.

    ``p' = 0`` where ``2 (beta1 v - beta2) + 2 gamma r^(2-n) + 2 T G' N + 3 T G N' = 0``, a
    polynomial in r after multiplication by ``r^(n-2)``.
    """
    n, d, scale = branch.depth + 1, branch.width, branch.temperature
    slope = np.zeros(4 * n - 3)  # by power of r, times r^(n-2)
    slope[2 * n - 2] += 2 * branch.beta1 * d
    slope[n - 2] -= 2 * branch.beta2
    slope[0] += 2 * branch.weight_decay
    slope[4 * n - 4] += (4 * n + 6 * (n - 1)) * scale * branch.alpha1 * d**2
    slope[3 * n - 4] -= (4 * n + 12 * (n - 1)) * scale * branch.alpha2 * d
    slope[2 * n - 4] += 6 * (n - 1) * scale * branch.alpha3
    roots = np.roots(slope[::-1])
    real = np.sort(roots.real[(abs(roots.imag) < 1e-9 * abs(roots)) & (roots.real > 0)])
    steeper = np.polyder(np.poly1d(slope[::-1]))
    values = d * real[steeper(real) > 0] ** n
    if values.size == 0:
        return 0.0
    heights = branch.log_density(values, np.log(values), values - branch.noiseless, np)
    return float(values[np.argmax(heights)])
