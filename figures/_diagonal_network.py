"""Diagonal networks sampled on a clock of their own, for the figures of that system.

Far out the noise of ``z = ln v`` grows as a power of v, so that Euler–Maruyama explodes, and means
of v^2 converge slowly, as E v^4 does not exist.  Paths on the clock s with ``dt = h(z) ds`` obey
the equation with drift ``h A`` and tensor ``h D``, of bounded coefficients; they are stationary at
``p/h``.  An average over time is the average over s with the weight h, and ``h v^2`` is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.systems.diagonal_network import DiagonalNetwork

y, r = sp.symbols("y r", real=True)


def network(depth: int, temperature: float, noise: float = 0.5) -> DiagonalNetwork:
    """Targets ``y = x + noise``."""
    return DiagonalNetwork.with_linear_targets(1, noise, depth=depth, temperature=temperature)


@dataclass(frozen=True)
class Sample:
    """Values of v, shape (times, paths), and the weight of each."""

    values: np.ndarray
    weights: np.ndarray

    def mean(self, function: np.ndarray) -> tuple[float, float]:
        """Average of a function of the values over time, and its error from independent paths."""
        total = self.weights.sum(axis=0)
        value = float((self.weights * function).sum() / total.sum())
        deviation = (self.weights * (function - value)).sum(axis=0)
        return value, float(deviation.std() / total.mean() / np.sqrt(total.size))

    def moments(self) -> tuple[float, float, float, float]:
        """Mean and variance of v, each with its error."""
        mean, error = self.mean(self.values)
        return mean, error, *self.mean((self.values - mean) ** 2)

    def tail(self, sizes: np.ndarray, threshold: float) -> tuple[float, float]:
        """Exponent of ``p ~ v^-a`` where sizes, which grow as ``|v|``, exceed a threshold (Hill).

        Its error, too, comes from the independent paths.
        """
        beyond = np.where(sizes > threshold, self.weights, 0.0)
        logs = np.where(beyond > 0, np.log(np.maximum(sizes, threshold) / threshold), 0.0)
        mean, error = Sample(self.values, beyond).mean(logs)
        return 1 + 1 / mean, error / mean**2


def solved(model: DiagonalNetwork, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places v, masses and densities by finite volumes in ln v, as far down as the mass reaches."""
    (z,) = model.log_diffusion().variables
    exponent = (float(model.beta[1] / model.alpha[2] / model.temperature) - 1) / 2
    # 1e-4 of the mass lies below, and of v^2 p 1e-4 above; above T_c all but 1e-4 at the wall.
    low, high = -9.3 / abs(exponent) - 3, 20.0
    # Of equal cells near v = 1, longer and longer ones towards zero.
    bend = sp.Float(-low / 1200)
    axis = fpk.Mapped(r - bend * (sp.exp(-r / 6) - 1), r, (-1.0, high, cells))
    reach = -1.0
    while axis.expression.subs(r, reach) > low:
        reach -= 1.0
    grid = fpk.Grid({z: fpk.Mapped(axis.expression, r, (reach, high, cells))})
    density = fpk.stationary_density(fpk.assemble(model.log_diffusion(), grid))
    values = np.exp(grid.centers[0])
    return values, density.masses, density.values / values


def equation(model: DiagonalNetwork) -> tuple[fpk.Diffusion, sp.Expr, sp.Expr]:
    """An equation with bounded coefficients, its clock h, and v as a function of its variable."""
    a1, a2, _ = model.alpha
    if model.depth == 0:
        # In units of the noise at its smallest: G = G_min cosh(y)^2.
        reach = sp.sqrt(model.alpha[2] / a1 - (a2 / a1) ** 2)
        (v,) = model.diffusion().variables
        value = a2 / a1 + reach * sp.sinh(y)
        stretched = model.diffusion().change_variables((y,), [sp.asinh((v - a2 / a1) / reach)])
        slowed = (stretched.drift[0] / 2, stretched.tensor[0] / 2)
        return fpk.Diffusion((y,), [slowed[0]], [[slowed[1]]]), sp.S.Half, value
    full = model.log_diffusion()
    (z,) = full.variables
    n, value = model.depth + 1, sp.exp(z)
    pull = 2 * n * (model.beta[0] * value + sp.Abs(model.beta[1])) * value ** sp.Rational(n - 2, n)
    rate = full.tensor[0] / 2 + pull
    stretch = sp.S.One
    if model.depth == 1 and model.lyapunov_exponent() > 0:
        # Paths go as far down as 1/(1 - T/T_c): faster there, as in a geometric walk.
        stretch += ((z - sp.sqrt(z**2 + 4)) / 10) ** 2
    clock = stretch / rate
    slowed = (clock * full.drift[0], clock * full.tensor[0])
    return fpk.Diffusion((z,), [slowed[0]], [[slowed[1]]]), clock, value


def sample(model: DiagonalNetwork, duration: float, paths: int, seed: int) -> Sample:
    """Stationary v: independent paths from v = 1, their first fifth left out."""
    diffusion, clock, value = equation(model)
    (variable,) = diffusion.variables
    # The change over one step, 1/20 of the time of the fastest coefficient, is of second order.
    runs = fpk.simulate(
        diffusion,
        (0.0,),
        duration=duration,
        step=0.05,
        paths=paths,
        seed=seed,
        save_every=10,
        scheme=fpk.WeakSecondOrder(),
    )
    places = runs.values[runs.times >= duration / 5, :, 0]
    shape = np.ones_like(places)
    weights, values = (sp.lambdify(variable, e, "numpy")(places) for e in (clock, value))
    return Sample(values * shape, weights * shape)
