"""Distributions of first-passage times of chains of steps."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, hstack, vstack

from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import InvalidModel
from fokkerplanck.results.passage_distribution import FirstPassageDistribution
from fokkerplanck.solve.killed import KilledChain
from fokkerplanck.solve.steps import StoppedChain, fitted, masses_after
from fokkerplanck.solve.steps_passage import start_masses, stopping

__all__ = ["first_passage_distribution"]

Array = NDArray[np.float64]


def first_passage_distribution(
    operator: TransitionOperator, start: Any, target: Any = None, *, steps: int | Sequence[int]
) -> FirstPassageDistribution:
    """Probability that a step has landed in the target, against the number of steps.

    Parameters
    ----------
    operator : TransitionOperator
        Where walls absorb, what leaves there has arrived too.
    start : tuple of numbers, Density, or region
        A point, from which the first step is exact; a density; or a region with the stationary
        density restricted to it.
    target : region, optional
        Needed where no wall absorbs.
    steps : int or increasing whole numbers
        Every number up to this one, or these.

    Returns
    -------
    FirstPassageDistribution

    Raises
    ------
    InvalidRegion, DisconnectedDomain, GridMismatch
    FokkerPlanckError
        When the numbers of steps do not increase from 0 or more.
    InvalidModel
        When the operator is not that of an optimizer's step.

    Examples
    --------
    At ``eta H = 1`` every step starts afresh: the steps to reach ``|x| > s`` are geometric.

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=1)
    >>> operator = fpk.transition_operator(sgd, fpk.Panels(x=(-9, 9)))
    >>> steps = fpk.first_passage_distribution(operator, (0,), abs(x) > 1, steps=3)
    >>> steps.survival
    array([1.   , 0.683, 0.466, 0.318])
    >>> steps.mean
    3.1514872
    """
    if not isinstance(operator, TransitionOperator):
        raise InvalidModel(
            f"the distribution counts steps of a TransitionOperator, not of "
            f"{type(operator).__name__}; the mean and the variance for a diffusion are "
            "mean_first_passage_time and first_passage_variance"
        )
    began = clock.perf_counter()
    if isinstance(start, sp.Basic) or callable(start):
        operator = fitted(operator, [start])
    stop, chain = stopping(operator, target)
    masses, first, _ = start_masses(stop, start)
    numbers = np.arange(steps + 1) if isinstance(steps, int) else np.asarray(steps)
    survival, arrived = _survival(stop, masses, first, numbers)
    mean, variance = _moments(stop, chain, masses, first)
    info = stop.operator.info.extended(**chain.info, solve_seconds=clock.perf_counter() - began)
    return FirstPassageDistribution(numbers, survival, arrived, mean, variance, info)


def _survival(
    stop: StoppedChain, masses: Array, first: int, numbers: NDArray[Any]
) -> tuple[Array, Array]:
    absorption = stop.absorption
    outside = (masses * stop.remaining)[absorption.outside]
    at_once = float(masses @ (1.0 - stop.remaining)) + max(1.0 - float(masses.sum()), 0.0)
    # One more state, which holds what has arrived: nothing is ever subtracted.
    leaving = csc_matrix(absorption.killing[np.newaxis, :])
    end = csc_matrix(([1.0], ([outside.size], [0])), shape=(outside.size + 1, 1))
    chain = csc_matrix(hstack([vstack([stop.matrix, leaving]), end]))
    later = masses_after(chain, np.append(outside, at_once), np.maximum(numbers - first, 0))
    survival, arrived = later[:, :-1].sum(axis=1), later[:, -1]
    before = numbers < first
    return np.where(before, 1.0, survival), np.where(before, 0.0, arrived)


def _moments(
    stop: StoppedChain, chain: KilledChain, masses: Array, first: int
) -> tuple[float, float]:
    weights = (masses * stop.remaining)[stop.absorption.outside]
    unsure = np.ones(weights.size, bool)
    unsure[chain.cells[chain.sure]] = False
    if weights[unsure].any():
        return np.inf, np.inf
    times = np.where(chain.sure, chain.times(), 0.0)
    squares = chain.factors.solve_transpose(2.0 * times - chain.sure)
    counted = weights[chain.cells]
    mean = float(counted @ times)
    return first + mean, float(counted @ np.where(chain.sure, squares, 0.0)) - mean**2
