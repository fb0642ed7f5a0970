r"""The diagonal network: SGD on ``l = (v x - y)^2``, v a sum of products of ``depth + 1`` weights.

Its noise obeys a law of balance, which leaves one variable and closed-form stationary densities at
any depth (L. Ziyin, H. Li and M. Ueda, arXiv:2308.06671).  Every formula is proved in
derivations 12_law_of_balance.py, 13_diagonal_network.py and
19_network_regimes.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.errors import UnboundSymbol
from fokkerplanck.systems.network_density import Branch, highest_maximum
from fokkerplanck.systems.network_equations import NetworkEquations
from fokkerplanck.systems.network_quadrature import quadrature, support

__all__ = ["DiagonalNetwork"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DiagonalNetwork(NetworkEquations):
    r"""Network ``v = sum_i prod_k u_i^(k)`` with loss ``(v x - y)^2 + gamma |u|^2``.

    ``width`` products of ``depth + 1`` weights each; depth 0 is linear regression.  With ``T =
    eta/B``, ``G(v) = alpha1 v^2 - 2 alpha2 v + alpha3`` and equal weights of size ``r``, ``|v| =
    width r^(depth + 1)``, ``N = width (depth + 1) r^(2 depth)``, in time ``t = eta * steps``:

        dv = [-2 N (beta1 v - beta2) - 2 (depth + 1) gamma v + T G N N'] dt + 2 N sqrt(T G) dW.

    Parameters
    ----------
    depth, width : int
    alpha : (Var x^2, Cov(x^2, xy), Var xy)
    beta : (E x^2, E xy)
        Numbers or symbols; see `with_linear_targets` and `with_data`.
    temperature, weight_decay : number or symbol
        ``T`` and ``gamma``.
    sign : {1, -1}
        Sign of v, which never changes at depth 1 and more.  Without effect at depth 0.

    Raises
    ------
    InvalidModel
        When depth or width is no such integer, alpha1, alpha3, beta1 or the temperature is a
        number that is not positive, weight decay is negative, or ``alpha1 alpha3 < alpha2^2``.

    Notes
    -----
    Weights of one product become equal in size by the law of balance.  That the products are equal
    is conserved, not enforced: at depth 1 only their sum matters, at depth 2 and more the closed
    forms describe equal products.

    Examples
    --------
    >>> network = DiagonalNetwork.with_linear_targets(1, 0.5, temperature=0.05)
    >>> network.mean(), network.variance()
    (0.984364, 0.031112)
    >>> network.critical_temperature()
    0.4444
    >>> DiagonalNetwork().critical_temperature()
    beta2/alpha3
    """

    def density(self) -> sp.Expr:
        """Stationary density of v, not normalised, for ``sign * v > 0`` at depth 1 and more.

        At depth 2 and more it holds logarithms and arcs at the roots of ``G``.  See `support` for
        where it lives, and whether it can be normalised.
        """
        branch, size = self._branch(sp.Expr), self._size
        logarithm = branch.log_density(size, sp.log(size), size - branch.noiseless, sp)
        return sp.exp(sp.expand_log(logarithm)) if self.depth > 1 else _powers(logarithm)

    @property
    def support(self) -> tuple[float, float]:
        """Interval of v on which the stationary density lives.

        Raises
        ------
        NotNormalizable
            When it is a delta function: at 0 from the critical temperature on, or at a point that
            interpolates the data.
        UnboundSymbol
            When a parameter has no value.
        """
        low, high = support(self._branch(float))
        return (low, high) if self._sign == 1 else (-high, -low)

    def pdf(self, values: Any) -> Array:
        """Normalised stationary density at an array of v; zero where it does not live.

        Raises
        ------
        NotNormalizable, UnboundSymbol
        """
        branch = self._branch(float)
        size = self._sign * np.asarray(values, dtype=np.float64)
        low, high = support(branch)
        inside = (size > low) & (size < high)
        shown = np.where(inside, size, (low if np.isfinite(low) else high - 2) + 1)
        log_norm = quadrature(branch).log_norm
        with np.errstate(all="ignore"):
            logs = branch.log_density(shown, np.log(shown), shown - branch.noiseless, np)
            return np.asarray(np.where(inside, np.exp(logs - log_norm), 0.0))

    def moment(self, order: int) -> float:
        """``E v^order``; infinite when the tail is too heavy.

        Raises
        ------
        NotNormalizable, UnboundSymbol
        """
        if self.depth == 0:
            return self._regression_moment(order)
        if np.isinf(self.support).any() and order + float(self.tail_exponent()) >= -1:
            return float(self._sign**order * np.inf)
        points = quadrature(self._branch(float), order)
        return float(self._sign**order * (points.values**order @ points.masses))

    def mean(self) -> float:
        """``E v``."""
        return self.moment(1)

    def variance(self) -> float:
        """``Var v``; infinite at depth 0 from `variance_divergence` on."""
        return self.moment(2) - self.mean() ** 2

    def mode(self) -> sp.Expr:
        """Highest maximum of the density away from 0; 0 when there is none.

        At depth 1 the density is infinite at 0 besides from a third of the critical temperature
        on.  In symbols at depth 0 and 1.

        Raises
        ------
        UnboundSymbol
            At depth 2 and more, when a parameter has no value.
        """
        b = self._branch(sp.Expr)
        gamma, d = self.weight_decay, self.width
        if self.depth == 0:
            noise = 2 * b.temperature * d
            return (b.beta2 + noise * b.alpha2) / (b.beta1 + gamma / d + noise * b.alpha1)
        if self.depth == 1:
            linear = b.beta1 - 10 * b.alpha2 * b.temperature
            constant = b.beta2 - gamma - 3 * b.alpha3 * b.temperature
            root = sp.sqrt(linear**2 + 28 * b.alpha1 * b.temperature * constant)
            size = (root - linear) / (14 * b.alpha1 * b.temperature)
            if size.is_number and not size.is_positive:
                return sp.S.Zero
            return self._sign * size
        return sp.Float(self._sign * highest_maximum(self._branch(float)))

    def critical_temperature(self, *, order: Literal[1, 2] = 1, batch_size: Any = 1) -> sp.Expr:
        """Temperature from which on the density is a delta function at ``v = 0``.

        With ``b = sign beta2 - gamma``: ``b/alpha3`` at depth 1.  There is none (infinity) at
        depth 0, nor at depth 2 and more without weight decay; with weight decay it is 0 there.

        Parameters
        ----------
        order : {1, 2}
            Of the drift: the second order gives ``b/(alpha3 + B b^2)`` at depth 1.
        batch_size : number or expression
            ``B``, which order 1 does not depend on.
        """
        b = self._branch(sp.Expr)
        net = b.beta2 - self.weight_decay
        if self.depth == 0:
            return sp.oo
        if self.depth >= 2:
            return sp.oo if self.weight_decay == 0 and b.beta2.is_nonpositive is not True else 0
        if net.is_nonpositive:
            return sp.S.Zero
        return net / (b.alpha3 + (sp.sympify(batch_size) * net**2 if order == 2 else 0))

    def lyapunov_exponent(self) -> sp.Expr:
        """Growth rate of ``ln |v|`` near 0: ``4 (b - T alpha3)`` at depth 1, else from decay alone.

        Raises
        ------
        InvalidModel
            At depth 0, where 0 is no fixed point.
        """
        self._require_depth("the exponent at v = 0")
        b = self._branch(sp.Expr)
        if self.depth > 1:
            return -2 * (self.depth + 1) * self.weight_decay
        return 4 * (b.beta2 - self.weight_decay - self.temperature * b.alpha3)

    def tail_exponent(self) -> sp.Expr:
        """``a`` in ``p ~ |v|^a`` far out: ``-(5 - 3/(depth + 1))``, at depth 0 it depends on T."""
        if self.depth:
            return sp.Rational(3, self.depth + 1) - 5
        return -2 - self.variance_divergence() / self.temperature

    def variance_divergence(self) -> sp.Expr:
        """Temperature from which on ``Var v`` is infinite; infinity at depth 1 and more."""
        if self.depth:
            return sp.oo
        return (self.beta[0] + self.weight_decay / self.width) / (self.alpha[0] * self.width)

    def _branch(self, kind: type) -> Branch:
        a1, a2, a3 = self.alpha
        numbers = (a1, self._sign * a2, a3, self.beta[0], self._sign * self.beta[1])
        everything: tuple[Any, ...] = (*numbers, self.temperature, self.weight_decay)
        if kind is float:
            unbound = sorted({str(s) for e in everything for s in e.free_symbols})
            if unbound:
                raise UnboundSymbol(f"no value for {', '.join(unbound)}; give numbers first")
            everything = tuple(float(e) for e in everything)
        return Branch(self.depth, self.width, *everything, interpolates=self._interpolates)

    def _regression_moment(self, order: int) -> float:
        """From ``E[L v^m] = 0``: moments of depth 0 follow from the two before."""
        b, d = self._branch(float), self.width
        support(b)
        before, value = 0.0, 1.0
        for m in range(1, order + 1):
            noise = (m - 1) * b.temperature * d
            rate = b.beta1 + b.weight_decay / d - noise * b.alpha1
            if rate <= 0:
                return np.inf
            after = b.beta2 * value + noise * (b.alpha3 * before - 2 * b.alpha2 * value)
            before, value = value, after / rate
        return value


def _powers(logarithm: sp.Expr) -> sp.Expr:
    """``exp`` of a sum of multiples of logarithms and arcs, logarithms as powers."""
    tidy = logarithm.replace(sp.log, lambda a: sp.log(sp.expand(a)))
    tidy = tidy.replace(sp.atan, lambda a: sp.atan(sp.factor(a)))
    functions = sorted(tidy.atoms(sp.log, sp.atan), key=sp.default_sort_key)
    slots = {function: sp.Dummy() for function in functions}
    rest, factors = sp.expand(tidy.xreplace(slots)), []
    for function, slot in slots.items():
        coefficient = rest.coeff(slot)
        rest = sp.expand(rest - coefficient * slot)
        if isinstance(function, sp.log):
            factors.append(function.args[0] ** coefficient)
        else:
            factors.append(sp.exp(sp.factor(coefficient) * function))
    return sp.Mul(*factors, sp.exp(sp.factor(rest)))
