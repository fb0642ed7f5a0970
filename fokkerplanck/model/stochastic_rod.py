"""SGD at the edge of stability: the diffusion of the staggered iterate.

Where ``eta L''`` is near 2 a step of SGD changes the sign of theta and hardly its size: theta is no
diffusion, but ``s_n = (-1)^n theta_n`` is nearly one.  Every formula is proved in
derivations/16_stochastic_rod.py, of a centre that moves in 17_noise_at_the_edge.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import sympy as sp

from fokkerplanck.errors import FokkerPlanckWarning, UnboundSymbol
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.model.stochastic_rod_center import Center, averaged_step, second_order
from fokkerplanck.model.stochastic_rod_checks import center_of, require_noise, staggered_row
from fokkerplanck.model.stochastic_rod_density import (
    QUANTILES,
    bulk_points,
    interpolant,
    moved,
    require_symmetric,
    values_at,
)
from fokkerplanck.model.symbols import differentiate

__all__ = ["StochasticRod"]

# Root mean square of b' below which order 2 was within 0.02 (L1) of the exact chain and order 1
# within 0.11, for w^2/2 - w^4/4 and ln cosh w, eta of 1.5 to 2.4 and noise of 0.02 to 0.1 a step.
NEAR = 0.4


@dataclass(frozen=True, init=False)
class StochasticRod(Diffusion):
    r"""Diffusion of the staggered iterate ``s_n = (-1)^n theta_n`` of SGD.

    For an even loss and noise SGD in ``s`` is exactly ``s' = s + b(s) + sqrt(eta^2 C) zeta`` with
    ``b = eta L'(s) - 2 s``, small steps where ``eta L''`` is near 2.  Time is ``t = eta * steps``:

    - order 1: ``A = b/eta``, ``D = (eta/2) C``, so that ``p ~ exp(-U/(eta^2 C/2))`` for constant C
      with ``U = s^2 - eta L(s)``.  Above the edge U has two wells, at the 2-cycle of gradient
      descent;
    - order 2: ``A = (b - b b'/2 - eta^2 C b''/4)/eta``, ``D = (eta/2) C (1 - b'/2)^2``.

    Beside slow variables y, and for a loss that is not even, ``theta_n = c(s, y) + (-1)^n s`` with
    the centre c of ``g(c + s) + g(c - s) = 0``, g the derivative across: ``b = eta (g(c + s) - g(c
    - s))/2 - 2 s``, y descends the mean of its gradients at both ends, and order 1 is the mean of
    an even and an odd step, ``A = b/(eta (1 - c'^2))`` and a term of the noise, ``D = (eta/4) C
    [(1 - c')^-2 + (1 + c')^-2]`` in one variable.  Order 2 then is ``A - ((b . grad) b + a : grad
    grad b/2)/(2 eta)``, ``(1 - J/2) D (1 - J/2)^T`` with J the Jacobian of b.

    Parameters
    ----------
    sgd : SGD or SGLD
        Its own `order` has no effect.  The noise of `SGLD` is ``eta^2 C + 2 eta T`` in place of
        ``eta^2 C``.
    staggered : Symbol or name, optional
        The variable that alternates, about 0; needed beside others, which are slow.
    order : {1, 2}
        2 needs a smooth loss and noise that does not depend on the variables.

    Attributes
    ----------
    optimizer : SGD or SGLD
    order : {1, 2}
    staggered : Symbol

    Raises
    ------
    InvalidModel
        For a noise that is not even about 0, or for a loss that is not even a noise that varies or
        a minimum that is not at 0; for clipped noise, a parameter named ``s``, and where order 2 is
        not derived.

    Notes
    -----
    Of ``L = S w^2/2`` the variance is ``eta S/2`` (order 1) and ``1 - (eta S - 2)^2/4`` (order 2)
    of the exact ``eta C/(S (2 - eta S))``; of `SGD.diffusion` it is ``1 - eta S/2`` and ``1 - (eta
    S)^2/4``, the same formulas with 2 - eta S for eta S.  The rod is for ``eta S`` between 1.6 and
    2.2 (2.1 for a loss that is not even), the ordinary diffusion for ``eta S`` well below 1,
    `transition_operator` for any.

    As in `SGD` the noise of order 2 is ``C (1 - b')`` completed to a square, which keeps it
    positive and halves the error of the density.  Where ``eta L'' = 4`` it vanishes, with the
    drift: such points have to lie outside the grid.  So do those with ``|c'| = 1``, where the noise
    is infinite: keep to ``|c'| < 0.9``.  A loss steeper than a parabola has its wells nowhere and
    loses the chain above the edge; take a grid within its unstable 2-cycle below.  c is a Taylor
    polynomial of degree 8 in s, beside slow variables one of Newton's steps from 0.  There the
    noise of s alone leaves D degenerate, which grids smear: see `UnresolvedWarning`.

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
    staggered: sp.Symbol

    def __init__(
        self, sgd: SGD | SGLD, *, staggered: Any | None = None, order: Literal[1, 2] = 2
    ) -> None:
        row = staggered_row(sgd, staggered, order)
        center = center_of(sgd, row)
        first = [row, *(i for i in range(len(sgd.variables)) if i != row)]
        covariance = sgd.step_covariance[first, first].xreplace({center.theta: center.s})
        require_noise(center, covariance, order)
        plain, drift, spread = averaged_step(center, sgd.learning_rate, covariance)
        if order == 2:
            variables = (center.s, *center.slow)
            drift, spread = second_order(plain, drift, spread, variables)
        back = [first.index(i) for i in range(len(first))]
        eta = sgd.learning_rate
        drift = sp.Matrix([drift[i] for i in back])
        spread = spread[back, back]
        names = [v if v != center.theta else center.s for v in sgd.variables]
        super().__init__(names, drift / eta, spread / (2 * eta))
        self._set(optimizer=sgd, order=order, staggered=center.theta)

    @property
    def _center(self) -> Center:
        return center_of(self.optimizer, self.optimizer.variables.index(self.staggered))

    @property
    def center(self) -> sp.Expr:
        """Centre ``c(s, y)`` of two successive iterates; 0 for an even loss."""
        return self._center.expression

    @property
    def step(self) -> sp.Expr:
        """``b = eta (g(c + s) - g(c - s))/2 - 2 s``, the mean change of s in one step; of an even
        loss ``eta L'(s) - 2 s``.
        """
        center = self._center
        half = center.half_difference(center.row)
        return self.optimizer.learning_rate * half - 2 * center.s

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
        bound = self.optimizer.subs(substitution)
        return StochasticRod(bound, staggered=self.staggered, order=self.order)

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
            ``step_slope``, the root mean square of ``db/ds`` over the density (of a loss averaged
            over data from 50 rows at most), and where c moves ``center_residual``, the largest
            error of c over s in the bulk.

        Raises
        ------
        GridMismatch
            When the grid is not one of s, or not symmetric, or reaches ``|c'| = 1``.
        UnboundSymbol
            When parameters of the rod have no value.

        Warns
        -----
        FokkerPlanckWarning
            When ``step_slope`` exceeds 0.4: s then changes too much in one step for a diffusion.
        """
        grid, axis = density.grid, self.optimizer.variables.index(self.staggered)
        grid.require(self.variables)
        require_symmetric(grid, axis)
        found = {"step_slope": self._step_slope(density, axis)}
        names = [v.name for v in self.optimizer.variables]
        center = self._center
        if center.even:
            return _mirrored(density, axis, grid.renamed(*names), found)
        found["center_residual"] = self._residual(density, axis)
        at_edges = interpolant(center.expression, self.variables, axis, grid)(grid.edges[axis])
        masses = moved(density.masses, grid.edges[axis], at_edges, axis)
        return replace(
            density,
            values=masses / grid.volumes,
            grid=grid.renamed(*names),
            info=density.info.extended(**found),
            standard_error=None,
            log_values=None,
        )

    def _step_slope(self, density: Any, axis: int) -> float:
        """Root mean square of db/ds over a density."""
        if self.parameters:
            names = [p.name for p in self.parameters]
            raise UnboundSymbol(f"{names} have no value; use rod.subs(...) before")
        slope = differentiate(self.step, self.variables[axis])
        values = values_at(slope, self.variables, bulk_points(density, axis))
        size = float(np.sqrt(np.mean(np.square(values))))
        if size > NEAR:
            warnings.warn(
                f"the root mean square of b' = eta L'' - 2 is {size:.2g} over this density; above "
                f"{NEAR:g} one step changes s too much for a diffusion: use transition_operator",
                FokkerPlanckWarning,
                stacklevel=3,
            )
        return size

    def _residual(self, density: Any, axis: int) -> float:
        """Largest error of c over s in the bulk of a density, by one more of Newton's steps."""
        points = bulk_points(density, axis)
        offset = values_at(self._center.error, self.variables, points)
        across = np.abs([point[axis] for point in points])
        return float(np.max(np.abs(offset) / np.maximum(across, across.max() / QUANTILES)))


def _mirrored(density: Any, axis: int, grid: Any, found: dict[str, float]) -> Any:
    """The density of an even loss: the mean with its mirror image."""
    error, logarithm = density.standard_error, density.log_values

    def other(array: Any) -> Any:
        return np.flip(array, axis)

    return replace(
        density,
        values=(density.values + other(density.values)) / 2,
        grid=grid,
        info=density.info.extended(**found),
        standard_error=None if error is None else np.hypot(error, other(error)) / 2,
        log_values=None
        if logarithm is None
        else np.logaddexp(logarithm, other(logarithm)) - np.log(2),
    )
