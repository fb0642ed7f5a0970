"""Densities in time."""

from __future__ import annotations

import time as clock
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidModel, MetastableWarning
from fokkerplanck.results.density import Density
from fokkerplanck.results.evolution import Evolution
from fokkerplanck.solve.solvers import LOST
from fokkerplanck.solve.stepping.discrete import DiscreteSteps
from fokkerplanck.solve.stepping.dynamics import Dynamics, EvolutionMethod, Record
from fokkerplanck.solve.stepping.rational_exponential import RationalExponential
from fokkerplanck.solve.stepping.trbdf2 import TRBDF2

__all__ = ["evolve"]

Array = NDArray[np.float64]

# Below this share of the mass an estimated error is rounding.
FINEST = 1e-12


def evolve(
    operator: FokkerPlanckOperator | TransitionOperator,
    initial: Density,
    times: Any,
    method: EvolutionMethod | None = None,
    *,
    tolerance: float = 1e-4,
) -> Evolution:
    """Solve ``dP/dt = Q P`` from an initial density.

    Parameters
    ----------
    operator : FokkerPlanckOperator
        Where the coefficients depend on time, assembled at the time of the start,
        ``assemble(diffusion, grid, time=0)``; it is then assembled anew as time goes on.  A
        `transition_operator` takes its own steps, and the times are numbers of them.
    initial : Density
        On the operator's grid, of any mass.
    times : increasing numbers
        Spaced in any way, ``np.geomspace`` included; the start, which is 0 unless the operator was
        assembled at another time, may be the first.
    method : optional
        `TRBDF2()` by default, `ImplicitEuler()` or `RationalExponential()`.
    tolerance : float
        On the error in L1 that stepping in time makes in the whole run, over the initial mass.
        The error of the grid is not part of it.

    Returns
    -------
    Evolution
        Its densities are neither clipped nor normalised.  `info` holds the method and linear
        solver, the numbers of steps, rejected steps, factorisations and assemblies, the
        ``estimated_error``, ``limited`` (mass that was moved where a step would have become
        negative, part of the error), ``mass_error`` (largest deviation from the initial mass, None
        where walls absorb) and ``smallest`` (smallest value over the largest one).

    Raises
    ------
    GridMismatch
        When the density lives on another grid.
    InvalidModel
        When the times do not increase or lie before the start, a density is negative that a Markov
        chain is to carry, or coefficients that depend on time meet a method or scheme that cannot
        follow them.
    NotConverged
        When no step is short enough for the tolerance.
    KeyboardInterrupt
        On an interrupt; the exception's attribute ``evolution`` (in an interactive session
        ``sys.last_value.evolution``) holds what was computed by then.

    Warns
    -----
    MetastableWarning
        When the times are so long that an ordinary LU leaves fewer than six digits.

    Notes
    -----
    The masses of a Markov chain never move apart in L1, so errors of steps add up to no more than
    their sum, which is what the tolerance bounds.

    Examples
    --------
    >>> import numpy as np, sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> grid = fpk.Grid(x=(-6, 6, 240))
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), grid)
    >>> start = fpk.gaussian_density(grid, [2.0], [[0.25]])
    >>> evolution = fpk.evolve(operator, start, [0.5, 1.0, 2.0])
    >>> evolution.means[:, 0] / np.exp(-evolution.times)
    array([2.00, 2.00, 2.00])
    >>> evolution.info["method"], evolution.info["solver"]
    ('TRBDF2', 'SubtractionFree')
    """
    began = clock.perf_counter()
    steps = operator if isinstance(operator, TransitionOperator) else None
    if isinstance(operator, TransitionOperator):
        operator = operator.generator
    if not isinstance(operator, FokkerPlanckOperator):
        raise InvalidModel(
            f"evolve needs an operator, not {type(operator).__name__}: assemble(diffusion, grid)"
        )
    if method is not None and not isinstance(method, EvolutionMethod):
        raise InvalidModel(f"a method is a value such as TRBDF2(), not {method!r}")
    if not FINEST <= tolerance < 1.0:
        raise InvalidModel(f"the tolerance is at least {FINEST:g} and below 1, not {tolerance!r}")
    dynamics = Dynamics(operator)
    wanted = _checked_times(times, dynamics.start)
    masses = _checked_masses(operator, initial)
    if steps is not None:
        if method is not None:
            raise InvalidModel(f"a TransitionOperator takes steps of its own, not {method!r}")
        method, choice = DiscreteSteps(steps.matrix), "DiscreteSteps(): exact, one by one"
    else:
        method, choice = (method, "given") if method is not None else _default(operator)
        _warn_of_lost_digits(operator, method, float(wanted[-1]) - dynamics.start)
    values, errors, record = _run(method, dynamics, masses, wanted, tolerance)
    partial = _evolution(dynamics, masses, wanted, values, errors)
    evidence = {"method": type(method).__name__, "method_choice": choice, "tolerance": tolerance}
    if isinstance(operator, LogDensityOperator):
        evidence["generator"] = "of LogDensity() at its stationary density, first order"
    evidence |= {**record.info(), **partial.info, "seconds": clock.perf_counter() - began}
    info = operator.info.extended(**evidence)
    return Evolution(partial.times, partial.values, operator.grid, partial.errors, info)


def _run(
    method: EvolutionMethod, dynamics: Dynamics, masses: Array, times: Array, tolerance: float
) -> tuple[Array, Array, Record]:
    """Masses at the times, the estimated error of each, and the record."""
    values = np.empty((times.size, masses.size))
    errors = np.zeros(times.size)
    first = int(times[0] == dynamics.start)
    values[:first] = masses
    done = first
    # disable=None: silent unless stderr is a terminal; delay: silent when soon done.
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
    with tqdm(total=1.0, desc="evolve", bar_format=form, disable=None, delay=1) as bar:
        record = Record(bar=bar)
        if done == times.size:
            return values, errors, record
        try:
            for state in method.run(dynamics, masses, times[first:], tolerance, record):
                values[done], errors[done] = state, record.error
                done += 1
        except KeyboardInterrupt as interrupt:
            part = _evolution(dynamics, masses, times[:done], values[:done], errors[:done])
            interrupt.evolution = part  # type: ignore[attr-defined]
            interrupt.add_note(
                f"{done} of {times.size} densities were computed: they are the attribute "
                "`evolution` of this exception (sys.last_value.evolution)"
            )
            raise
    return values, errors, record


def _evolution(
    dynamics: Dynamics, masses: Array, times: Array, values: Array, errors: Array
) -> Evolution:
    """The result, with what its values say about themselves as info."""
    grid = dynamics.operator.grid
    density = values.reshape(times.size, *grid.shape) / grid.volumes
    evolution = Evolution(times, density, grid, errors)
    lost = np.abs(evolution.mass - masses.sum()).max(initial=0.0)
    info = evolution.info.extended(
        mass_error=float(lost) if dynamics.operator.conserving else None,
        smallest=float(density.min() / density.max()) if density.size else None,
    )
    return Evolution(times, density, grid, errors, info)


def _checked_times(times: Any, start: float) -> Array:
    wanted = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if wanted.ndim != 1 or not wanted.size or not np.isfinite(wanted).all():
        raise InvalidModel(f"times are one or more finite numbers, not {times!r}")
    if (np.diff(wanted) <= 0.0).any():
        k = int(np.argmax(np.diff(wanted) <= 0.0))
        raise InvalidModel(f"times increase, but {wanted[k]:g} is followed by {wanted[k + 1]:g}")
    if wanted[0] < start:
        raise InvalidModel(f"the evolution starts at t = {start:g}, after the time {wanted[0]:g}")
    return wanted


def _checked_masses(operator: FokkerPlanckOperator, initial: Density) -> Array:
    if not isinstance(initial, Density):
        raise InvalidModel(
            f"an evolution starts from a Density, not {type(initial).__name__}: "
            "gaussian_density(grid, mean, covariance)"
        )
    if initial.grid != operator.grid:
        raise GridMismatch(
            f"the initial density lives on {initial.grid}, the operator on {operator.grid}"
        )
    masses = initial.masses.ravel()
    negative = masses < 0.0
    if operator.monotone and negative.any():
        raise InvalidModel(
            f"the initial density is negative in {int(negative.sum())} of {masses.size} cells, "
            f"down to {initial.values.min():.3g}: a Markov chain carries probabilities; take one "
            "from a monotone scheme such as Selling()"
        )
    if not masses.sum() > 0.0:
        raise FokkerPlanckError(f"the initial density has mass {masses.sum():g}")
    return masses


def _default(operator: FokkerPlanckOperator) -> tuple[EvolutionMethod, str]:
    if operator.monotone:
        return TRBDF2(), "TRBDF2(): resolvents without subtractions, right for any time"
    return TRBDF2(), "TRBDF2(): second order, with an ordinary LU as there are negative rates"


def _warn_of_lost_digits(
    operator: FokkerPlanckOperator, method: EvolutionMethod, span: float
) -> None:
    positive = operator.monotone and not isinstance(method, RationalExponential)
    fastest = float(np.abs(operator.matrix.diagonal()).max())
    lost = float(np.finfo(float).eps * fastest * span)
    if positive or lost < LOST:
        return
    cure = "TRBDF2()" if operator.monotone else "a monotone scheme such as Selling()"
    warnings.warn(
        f"the time {span:.3g} is {fastest * span:.2g} times that of the fastest rate: an ordinary "
        f"LU may lose a share of {min(lost, 1.0):.1g} of the masses; use {cure}",
        MetastableWarning,
        stacklevel=3,
    )
