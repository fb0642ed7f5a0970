"""The fixed point of a LogDensity operator: acceleration, barriers, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import fokkerplanck as fpk
from benchmarks.log_density import ornstein_uhlenbeck
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import InvalidModel, NotConverged, UnresolvedWarning
from fokkerplanck.solve.anderson import iterate
from fokkerplanck.solve.log_density import LogDensityIteration
from fokkerplanck.solve.passes import largest_step_between_wells


def linear_map(contraction, size=40):
    """``psi -> M psi + c`` with the eigenvalues of M spread up to `contraction`; fixed point 1."""
    values = np.linspace(0.0, contraction, size)
    return lambda psi: values * psi + (1.0 - values)


def test_acceleration_beats_plain_iteration():
    step, start = linear_map(0.9), np.zeros(40)
    result = iterate(step, start, tolerance=1e-10, iterations=200)
    plain, steps = start, 0
    while np.abs(step(plain) - plain).mean() > 1e-10:
        plain, steps = step(plain), steps + 1
    assert np.abs(result.psi - 1.0).max() < 1e-8
    assert 3 * result.steps < steps


def test_iteration_that_does_not_converge_says_so():
    result = iterate(lambda psi: psi + 1.0, np.zeros(3), tolerance=1e-6, iterations=5)
    assert result.steps == 5
    assert result.change == pytest.approx(1.0)


def chain(psi):
    cells = np.arange(len(psi))
    return np.array(psi, float), cells[:-1], cells[1:]


def test_largest_step_is_sought_between_wells_only():
    psi, lower, upper = chain([90.0, 50.0, 0.0, 2.0, 6.0, 7.0, 1.0, 40.0])
    everywhere = np.ones(8, bool)
    found = largest_step_between_wells(psi, lower, upper, wells=everywhere, depth=1.0)
    assert found == 6.0  # from 7 down to 1; the outer slopes of 40 and more do not count
    assert largest_step_between_wells(psi, lower, upper, wells=everywhere, depth=6.5) == 0.0
    deep = psi < 0.5
    assert largest_step_between_wells(psi, lower, upper, wells=deep, depth=1.0) == 0.0


def test_other_operators_are_refused():
    problem = ornstein_uhlenbeck(100.0, 30, 12)
    operator = fpk.assemble(problem.model, problem.grid, fpk.Selling())
    with pytest.raises(InvalidModel, match=r"Selling\(\)"):
        LogDensityIteration().stationary(operator)


def test_too_few_iterations_are_not_an_answer():
    problem = ornstein_uhlenbeck(100.0, 30, 32)
    few = fpk.assemble(problem.model, problem.grid, LogDensity(iterations=2))
    with pytest.raises(NotConverged, match="after 2 iterations"):
        fpk.stationary_density(few)
    some = fpk.assemble(problem.model, problem.grid, LogDensity(iterations=7, tolerance=1e-12))
    with pytest.warns(UnresolvedWarning, match="settled below"):
        fpk.stationary_density(some)


def test_evidence():
    problem = ornstein_uhlenbeck(100.0, 30, 48)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity())
    info = fpk.stationary_density(operator).info
    assert info["scheme"] == "LogDensity"
    assert info["order"] == 4
    assert info["residual"] < 1e-6
    assert 0.0 < info["order_difference"] < 1e-3
    assert info["barrier_step"] == 0.0
    # psi of a normal density grows by x h / variance a cell; 3.7 standard deviations are 1e-3.
    assert info["bulk_step"] == pytest.approx(3.7 * 11 / 48, rel=0.3)
