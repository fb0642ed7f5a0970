"""Sweeps with a slow variable: the same numbers whoever computes them, and nothing lost."""

from __future__ import annotations

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.solve import steps_slow_sweep

x, y = sp.symbols("x y", real=True)
LOSS = (1 + y / 10) * (sp.Abs(x) - 1) ** 2 - y
COMMON: dict[str, Any] = {
    "panels": fpk.Panels(x=(-4, 4)),
    "slow": (y, 0.5, 4),
    "start": (0.3, 1.0),
    "region": x > 0,
    "moments": 2,
}


def cases(*rates: float) -> list[dict[str, Any]]:
    noise = fpk.noise.Covariance([[25, 0.02], [0.02, 0.01]])
    return [
        {
            "optimizer": fpk.SGD(LOSS, (x, y), noise, learning_rate=rate),
            "steps": round(1.2 / rate),
        }
        for rate in rates
    ]


def test_the_same_numbers_whoever_computes_them() -> None:
    wanted = cases(0.02, 0.06, 0.04)
    alone = fpk.slow_sweep(wanted, **COMMON)
    assert [run.slow.size for run in alone] == [61, 21, 31]
    single = fpk.slow_evolution(**COMMON, **wanted[1])
    assert np.array_equal(single.density.values, alone[1].density.values)
    for kind in (ThreadPoolExecutor(3), ProcessPoolExecutor(1, get_context("spawn"))):
        executor: Executor = kind
        with executor:
            others = fpk.slow_sweep(wanted, executor=executor, **COMMON)
        for run, other in zip(alone, others, strict=True):
            assert np.array_equal(run.density.values, other.density.values)
            assert np.array_equal(run.slow_std, other.slow_std)
            assert np.array_equal(run.settled, other.settled)


def test_arguments_of_a_case_precede() -> None:
    (run,) = fpk.slow_sweep([cases(0.04)[0] | {"steps": 4, "moments": 0}], **COMMON)
    assert run.slow.size == 5
    assert run.slow_std is None
    assert fpk.slow_sweep([], **COMMON) == []


@pytest.mark.parametrize("threads", [0, 1])
def test_a_case_that_fails_is_named_and_the_others_kept(threads: int) -> None:
    wanted = cases(0.06, 0.05)
    wanted.insert(1, wanted[0] | {"slow": (y, 0.5, 1.01)})
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(FokkerPlanckError, match="left its range") as failure,
    ):
        fpk.slow_sweep(wanted, executor=executor if threads else None, **COMMON)
    notes = failure.value.__notes__
    assert notes[0] == "in case 1 of the sweep, counted from 0"
    assert "1 of 3 cases" in notes[1]
    first, *others = failure.value.runs  # type: ignore[attr-defined]
    assert first.slow.size == 21
    assert others == [None, None]


def test_an_interrupt_keeps_what_was_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[fpk.SlowEvolution] = []

    def interrupted(**arguments: Any) -> fpk.SlowEvolution:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(fpk.slow_evolution(**arguments))
        return made[-1]

    monkeypatch.setattr(steps_slow_sweep, "slow_evolution", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        fpk.slow_sweep(cases(0.06, 0.05, 0.04), **COMMON)
    assert stopped.value.runs == (*made, None)  # type: ignore[attr-defined]
