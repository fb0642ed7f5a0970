"""SGD at the edge of stability: the diffusion of the staggered iterate.

Where ``eta L''`` is near 2 a step of SGD changes the sign of theta and hardly its size: theta is no
diffusion, but ``s_n = (-1)^n theta_n`` is nearly one.  Every formula is proved in
derivations/16_stochastic_rod.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.errors import FokkerPlanckWarning, GridMismatch, InvalidModel, UnboundSymbol
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.model.points import vanishes
from fokkerplanck.model.samples import Dataset, SampleMean
from fokkerplanck.model.symbols import differentiate, has_jumps

__all__ = ["StochasticRod"]

Array = NDArray[np.float64]

# Root mean square of b' below which order 2 was within 0.02 (L1) of the exact chain and order 1
# within 0.11, for w^2/2 - w^4/4 and ln cosh w, eta of 1.5 to 2.4 and noise of 0.02 to 0.1 a step.
NEAR = 0.4
# Points at which that mean is taken: quantiles of the density.
QUANTILES = 41
# Rows, evenly spaced, that stand for larger data in that mean; it only decides on a warning.
ROWS = 50
# Walls and cells this near to their mirror images, relative to the domain, are the same.
SYMMETRIC = 1e-9


@dataclass(frozen=True, init=False)
class StochasticRod(Diffusion):
    r"""Diffusion of the staggered iterate ``s_n = (-1)^n theta_n`` of SGD.

    For an even loss and noise SGD in ``s`` is exactly ``s' = s + b(s) + sqrt(eta^2 C) zeta`` with
    ``b = eta L'(s) - 2 s``, small steps where ``eta L''`` is near 2.  Time is ``t = eta * steps``:

    - order 1: ``A = b/eta``, ``D = (eta/2) C``, so that ``p ~ exp(-U/(eta^2 C/2))`` for constant C
      with ``U = s^2 - eta L(s)``.  Above the edge U has two wells, at the 2-cycle of gradient
      descent;
    - order 2: ``A = (b - b b'/2 - eta^2 C b''/4)/eta``, ``D = (eta/2) C (1 - b'/2)^2``.

    Parameters
    ----------
    sgd : SGD or SGLD
        In one variable, with a loss that is even in it.  Its own `order` has no effect.  The noise
        of `SGLD` is ``eta^2 C + 2 eta T`` in place of ``eta^2 C``.
    order : {1, 2}
        2 needs a smooth loss and noise that does not depend on the variable.

    Attributes
    ----------
    optimizer : SGD or SGLD
    order : {1, 2}

    Raises
    ------
    InvalidModel
        For several variables, a loss or a noise that is not even about 0, clipped noise, a
        parameter named ``s``, and where order 2 is not derived.

    Notes
    -----
    Of ``L = S w^2/2`` the variance is ``eta S/2`` (order 1) and ``1 - (eta S - 2)^2/4`` (order 2)
    of the exact ``eta C/(S (2 - eta S))``; of `SGD.diffusion` it is ``1 - eta S/2`` and ``1 - (eta
    S)^2/4``, the same formulas with 2 - eta S for eta S.  The rod is for ``eta S`` between 1.6 and
    2.2, the ordinary diffusion for ``eta S`` well below 1, `transition_operator` for any.

    As in `SGD` the noise of order 2 is ``C (1 - b')`` completed to a square, which keeps it
    positive and halves the error of the density.  Where ``eta L'' = 4`` it vanishes, with the
    drift: such points have to lie outside the grid.  A loss steeper than a parabola has its wells
    nowhere and loses the chain above the edge; take a grid within its unstable 2-cycle below.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> w = sp.Symbol("w", real=True)
    >>> sgd = fpk.SGD(w**2 / 2 - w**4 / 4, (w,), fpk.noise.Isotropic(1e-3), learning_rate=2.1)
    >>> rod = fpk.StochasticRod(sgd)
    >>> rod.variables
    (s,)
    >>> operator = fpk.assemble(rod, fpk.Grid(s=(-0.9, 0.9, 400)))
    >>> density = rod.density_of_iterate(fpk.stationary_density(operator))
    >>> density.grid
    Grid(w=(-0.9, 0.9, 400))

    The variance, against that of the exact chain; `SGD.diffusion` has 0.0011:

    >>> float(density.covariance()[0, 0])
    0.0407
    >>> exact = fpk.stationary_density(fpk.transition_operator(sgd, fpk.Panels(w=(-0.9, 0.9))))
    >>> float(exact.covariance()[0, 0])
    0.0410
    """

    optimizer: SGD | SGLD
    order: Literal[1, 2]

    def __init__(self, sgd: SGD | SGLD, *, order: Literal[1, 2] = 2) -> None:
        _require_one_variable(sgd, order)
        (theta,) = sgd.variables
        s = sp.Symbol("s", real=True)
        step, eta = _step(sgd, s), sgd.learning_rate
        variance = sgd.step_covariance[0, 0].xreplace({theta: s})
        _require_even(theta, s, step, variance)
        drift, spread = step, variance
        if order == 2:
            _require_constant(theta, s, step, variance)
            first = differentiate(step, s)
            drift = step - step * first / 2 - variance * differentiate(first, s) / 4
            spread = variance * (1 - first / 2) ** 2
        super().__init__((s,), [drift / eta], [[spread / (2 * eta)]])
        self._set(optimizer=sgd, order=order)

    @property
    def step(self) -> sp.Expr:
        """``b = eta L'(s) - 2 s``, the mean change of s in one step."""
        return _step(self.optimizer, self.variables[0])

    def diffusion(self) -> Diffusion:
        """The same equation as a plain `Diffusion`."""
        return Diffusion(self.variables, self.drift, self.tensor)

    def subs(self, substitution: Mapping[Any, Any]) -> StochasticRod:
        """The rod with parameters replaced, by symbol or by name.

        Raises
        ------
        InvalidModel
            When a variable is to be replaced.
        """
        super().subs(substitution)  # refuses s
        return StochasticRod(self.optimizer.subs(substitution), order=self.order)

    def change_variables(
        self, new_variables: Any, expressions: Any, *, inverse: Mapping[Any, Any] | None = None
    ) -> Diffusion:
        """As `Diffusion.change_variables`; the result is no rod any more."""
        return self.diffusion().change_variables(new_variables, expressions, inverse=inverse)

    def density_of_iterate(self, density: Any) -> Any:
        """Density of theta from one of s, the mean over two successive steps.

        ``p(theta) = (p_s(theta) + p_s(-theta))/2``.  After exactly n steps theta is ``(-1)^n s``.

        Parameters
        ----------
        density : Density
            Of ``s``, on a grid that is symmetric about 0.

        Returns
        -------
        Density
            On the same cells, the axis named as the variable of the loss; `info` has
            ``step_slope``, the root mean square of ``b'`` over the density (of a loss averaged over
            data from 50 rows at most).

        Raises
        ------
        GridMismatch
            When the grid is not one of s, or not symmetric.
        UnboundSymbol
            When parameters of the rod have no value.

        Warns
        -----
        FokkerPlanckWarning
            When ``step_slope`` exceeds 0.4: s then changes too much in one step for a diffusion.
        """
        grid = density.grid
        grid.require(self.variables)
        _require_symmetric(grid)
        size = self._step_slope(density)
        if size > NEAR:
            warnings.warn(
                f"the root mean square of b' = eta L'' - 2 is {size:.2g} over this density; above "
                f"{NEAR:g} one step changes s too much for a diffusion: use transition_operator",
                FokkerPlanckWarning,
                stacklevel=2,
            )
        error, logarithm = density.standard_error, density.log_values
        return replace(
            density,
            values=(density.values + density.values[::-1]) / 2,
            grid=grid.renamed(self.optimizer.variables[0].name),
            info=density.info.extended(step_slope=size),
            standard_error=None if error is None else np.hypot(error, error[::-1]) / 2,
            log_values=None
            if logarithm is None
            else np.logaddexp(logarithm, logarithm[::-1]) - np.log(2),
        )

    def _step_slope(self, density: Any) -> float:
        """Root mean square of b' over a density, from quantiles in the middle of equal shares."""
        if self.parameters:
            names = [p.name for p in self.parameters]
            raise UnboundSymbol(f"{names} have no value; use rod.subs(...) before")
        (s,) = self.variables
        slope = sp.sympify(differentiate(self.step, s))
        cumulative = np.cumsum(density.masses) / density.mass
        shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
        cells = np.minimum(np.searchsorted(cumulative, shares), cumulative.size - 1)
        points = density.grid.centers[0][cells]
        values = [
            float(slope.xreplace({s: sp.Float(x)}).replace(SampleMean, _mean_of_rows).evalf())
            for x in points
        ]
        return float(np.sqrt(np.mean(np.square(values))))


def _require_one_variable(sgd: Any, order: int) -> None:
    if not isinstance(sgd, (SGD, SGLD)):
        raise InvalidModel(
            f"the staggered iterate is that of SGD or SGLD, not of {type(sgd).__name__}"
        )
    if order not in (1, 2):
        raise InvalidModel(f"order is 1 or 2, not {order!r}")
    if len(sgd.variables) != 1:
        raise InvalidModel(
            f"the rod's diffusion is derived for one variable, not for {sgd.variables}; several "
            "are covered by transition_operator (two) and simulate_sgd"
        )
    if getattr(sgd.noise, "negative", "refuse") == "clip":
        raise InvalidModel("clipped noise is not offered for the rod; give a positive covariance")
    data = getattr(getattr(sgd.noise, "data", None), "symbols", ())
    if "s" in {symbol.name for symbol in (*sgd.parameters, *data)}:
        raise InvalidModel("s is the staggered iterate; rename the parameter or data symbol s")


def _step(sgd: SGD | SGLD, s: sp.Symbol) -> sp.Expr:
    """``eta L'(s) - 2 s``."""
    return sgd.learning_rate * sgd.gradient[0].xreplace({sgd.variables[0]: s}) - 2 * s


def _require_even(theta: sp.Symbol, s: sp.Symbol, step: sp.Expr, variance: sp.Expr) -> None:
    if not vanishes(step + step.xreplace({s: -s}), (s,)):
        raise InvalidModel(
            f"the loss is not even in {theta}: where it is not, the centre of the rod moves with "
            f"s, which is not covered; write an even loss in the distance from its minimum, or "
            "use transition_operator"
        )
    if not vanishes(variance - variance.xreplace({s: -s}), (s,)):
        raise InvalidModel(
            f"the noise is not even in {theta}: s meets another one at every second step, which "
            "is not covered; use transition_operator"
        )


def _require_constant(theta: sp.Symbol, s: sp.Symbol, step: sp.Expr, variance: sp.Expr) -> None:
    if s in variance.free_symbols:
        raise InvalidModel(
            f"order 2 is derived for noise that does not depend on {theta}, not for the variance "
            f"{variance.xreplace({s: theta})}; use order=1"
        )
    if has_jumps(step, (s,)):
        raise InvalidModel(
            f"order 2 takes three derivatives of the loss, whose gradient bends or jumps in "
            f"{theta}; use order=1"
        )


def _mean_of_rows(expression: sp.Expr, data: Dataset) -> sp.Expr:
    rows = [
        expression.xreplace(dict(zip(data.symbols, map(sp.Float, row), strict=True)))
        for row in data.table[:: -(-data.size // ROWS)]
    ]
    return sp.Add(*rows) / len(rows)


def _require_symmetric(grid: Any) -> None:
    edges = grid.edges[0]
    if np.abs(edges + edges[::-1]).max() > SYMMETRIC * (edges[-1] - edges[0]):
        reach = float(np.abs(edges[[0, -1]]).max())
        raise GridMismatch(
            f"the grid of s runs from {edges[0]:g} to {edges[-1]:g} and is not symmetric about 0, "
            f"as theta = (-1)^n s asks for; use ({-reach:g}, {reach:g}, cells)"
        )
