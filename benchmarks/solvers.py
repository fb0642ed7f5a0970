"""Solvers of the stationary equation: digits at high barriers, time and memory.

python -m benchmarks solvers            # four tables, about ten minutes
python -m benchmarks solvers --write    # and benchmarks/results/solvers.md
python -m benchmarks solvers --quick    # small grids

1. Every cell against elimination with 60 digits or more, 12 x 12, in detailed balance and not.
2. Gibbs weights in every cell, barrier of 50 noise strengths, 256 x 256, full tensor.
3. Share of a well, barriers of 1 to 200, and who warned.
4. Time, its growth, size of the factors. Each measurement has a process of its own.

PARDISO is that of pypardiso; it and PyAMG are left out where they are not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import platform
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import mpmath as mp
import numpy as np
import scipy
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import fokkerplanck as fpk
from benchmarks.solvers_cases import PACKAGES, PROBLEMS, SOLVERS, Outcome, double_well, measure
from fokkerplanck.errors import FokkerPlanckError, MetastableWarning

__all__ = ["main"]

Array = NDArray[np.float64]

RESULT = Path(__file__).parent / "results" / "solvers.md"
BARRIERS = (1, 2, 5, 10, 15, 20, 30, 50, 100, 200)
# Problem, solver, cells a side.
TIMED: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("2-D double well with a current", "SubtractionFree()", (128, 256, 512, 1024)),
    ("2-D double well with a current", "AlgebraicMultigrid()", (128, 256, 512, 1024)),
    ("2-D double well with a current", "SparseLU()", (128, 256, 512)),
    ("2-D double well with a current", "SciPy splu, COLAMD", (128, 256, 512)),
    ("2-D double well with a current", "SciPy splu, MMD", (128, 256, 512)),
    ("2-D double well with a current", "PARDISO", (128, 256, 512)),
    ("3-D double well", "AlgebraicMultigrid()", (32, 64, 128)),
    ("3-D double well", "PyAMG and BiCGSTAB", (32, 64)),
    ("3-D rotating process", "AlgebraicMultigrid()", (32, 64, 128)),
    ("3-D rotating process", "PyAMG and BiCGSTAB", (32, 64)),
    ("3-D rotating process", "SubtractionFree()", (16, 24, 32)),
)


def main(arguments: Sequence[str]) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks solvers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    parser.add_argument("--quick", action="store_true", help="small grids only")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    parts = []
    for table in (
        digits_table(),
        gibbs_table(64 if options.quick else 256),
        sweep_table(48 if options.quick else 96),
        time_table(80 if options.quick else 1024, options.repeats),
    ):
        lines = []
        for line in table:
            print(line, flush=True)
            lines.append(line)
        print()
        parts.append("\n".join(lines))
    if options.write:
        environment = (
            f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, NumPy "
            f"{np.__version__}, SciPy {scipy.__version__}, one thread.  `python -m benchmarks "
            "solvers --write`"
        )
        RESULT.write_text("\n\n".join(["# Solvers", *parts, environment]) + "\n", encoding="utf-8")
    return 0


def available() -> list[str]:
    """Solvers that can run here."""
    return [
        name
        for name in SOLVERS
        if name not in PACKAGES or importlib.util.find_spec(PACKAGES[name]) is not None
    ]


def compared() -> list[str]:
    """Those that solve small problems themselves, without the answer of a coarser grid."""
    return [name for name in available() if name != "PyAMG and BiCGSTAB"]


def _alone(operator: fpk.FokkerPlanckOperator, solver: str, repeats: int) -> Outcome | str:
    """Measure in a fresh process, with one thread for everyone; a line where there is no answer."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        1, mp_context=context, initializer=threadpool_limits, initargs=(1,)
    ) as pool:
        try:
            return pool.submit(measure, operator, solver, repeats).result()
        except (FokkerPlanckError, RuntimeError, MemoryError) as error:
            return f"{type(error).__name__}"


def _errors(weights: Array, operator: fpk.FokkerPlanckOperator) -> tuple[Array, float]:
    """Relative error of every cell against Gibbs, and of the right well's share."""
    exact = np.exp(operator.potential.min() - operator.potential) * operator.grid.volumes.ravel()
    right = np.broadcast_to(operator.grid.mesh[0] > 0, operator.grid.shape).ravel()
    exact, found = exact / exact.sum(), weights / weights.sum()
    with np.errstate(all="ignore"):
        return np.abs(found / exact - 1), float(abs((found[right].sum() / exact[right].sum()) - 1))


def _many_digits(operator: fpk.FokkerPlanckOperator) -> Array:
    """Stationary weights by elimination with 60 digits, relative to the heaviest cell's.

    Pivots are sums of rates that have as many digits between them: these are added.
    """
    rates = operator.matrix.toarray()
    np.fill_diagonal(rates, 0.0)
    others = np.arange(1, operator.grid.size)
    present = rates[rates > 0.0]
    span = int(np.log10(present.max() / present.min()))
    with mp.workdps(60 + span):
        matrix = mp.matrix(rates)
        for k in range(operator.grid.size):
            matrix[k, k] = -mp.fsum(rates[:, k])
        inner = mp.matrix(others.size)
        for i in range(others.size):
            for j in range(others.size):
                inner[i, j] = matrix[i + 1, j + 1]
        weights = [mp.mpf(1), *mp.lu_solve(inner, -matrix[1:, 0])]
        largest = max(weights)
        return np.array([float(weight / largest) for weight in weights])


def digits_table() -> Iterator[str]:
    """Largest relative error of a cell against elimination with many digits."""
    columns = [(barrier, current) for barrier in (4, 50) for current in (False, True)]
    names = [f"{b}, {'with a current' if c else 'detailed balance'}" for b, c in columns]
    yield "## Largest relative error of a cell against elimination with 60 digits or more, 12 x 12"
    yield ""
    yield f"| solver | barrier/noise {' | '.join(names)} |"
    yield "|---|" + "---|" * len(columns)
    operators = [double_well(12, float(b), current=c) for b, c in columns]
    exact = [_many_digits(operator) for operator in operators]
    for solver in compared():
        row = []
        for operator, reference in zip(operators, exact, strict=True):
            outcome = _alone(operator, solver, 1)
            if isinstance(outcome, str):
                row.append(outcome)
                continue
            with np.errstate(all="ignore"):
                error = outcome.weights / outcome.weights.max() / reference - 1
            # Lighter cells have no double.
            worst = np.abs(error[reference > 1e-300]).max()
            row.append(f"{worst:.1e}{' !' if outcome.warned else ''}")
        yield f"| {solver} | {' | '.join(row)} |"


def gibbs_table(cells: int) -> Iterator[str]:
    """Errors in every cell at a barrier of 50."""
    operator = double_well(cells, 50.0)
    yield f"## Gibbs weights, barrier/noise 50, {cells} x {cells}, full tensor"
    yield ""
    yield (
        "| solver | largest relative error: every cell | cells above 1e-10 of the largest | "
        "share of the right well | negative cells | warned | s |"
    )
    yield "|---|---|---|---|---|---|---|"
    depth = operator.potential - operator.potential.min()
    # The corners lie 1200 above the wells, where nobody has a double.
    normal = depth < 700
    for solver in compared():
        outcome = _alone(operator, solver, 1)
        if isinstance(outcome, str):
            yield f"| {solver} | {outcome} | | | | | |"
            continue
        every, share = _errors(outcome.weights, operator)
        yield (
            f"| {solver} | {every[normal].max():.1e} | "
            f"{every[depth < 10 * np.log(10)].max():.1e} | {share:.1e} | "
            f"{np.count_nonzero(outcome.weights < 0)} | {'yes' if outcome.warned else 'no'} | "
            f"{outcome.seconds:.2f} |"
        )


def sweep_table(cells: int) -> Iterator[str]:
    """Error of a well's share against the barrier, and whether the solver warned."""
    names = compared()
    yield f"## Share of the right well: relative error, ! where warned ({cells} x {cells})"
    yield ""
    yield f"| barrier/noise | {' | '.join(names)} |"
    yield "|---|" + "---|" * len(names)
    for barrier in BARRIERS:
        operator = double_well(cells, float(barrier))
        row = []
        for solver in names:
            with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
                warnings.simplefilter("always")
                try:
                    weights, _ = SOLVERS[solver](operator)
                    entry = f"{_errors(weights, operator)[1]:.1e}"
                except (FokkerPlanckError, RuntimeError) as error:
                    entry = type(error).__name__
            warned = any(issubclass(w.category, MetastableWarning) for w in caught)
            row.append(entry + (" !" if warned else ""))
        yield f"| {barrier} | {' | '.join(row)} |"


def time_table(largest: int, repeats: int) -> Iterator[str]:
    """The exponent is that of processor time against the number of cells."""
    yield "## Time"
    yield ""
    yield "| problem | solver | cells | s | processor s | exponent | load | evidence |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for problem, solver, sizes in TIMED:
        if solver not in available():
            continue
        before: tuple[int, float] | None = None
        for cells in sizes:
            if cells > largest:
                continue
            operator = PROBLEMS[problem](cells)
            outcome = _alone(operator, solver, 1 if operator.grid.size > 600_000 else repeats)
            size = " x ".join([str(cells)] * operator.grid.dimension)
            if isinstance(outcome, str):
                yield f"| {problem} | {solver} | {size} | {outcome} | | | | |"
                continue
            growth = ""
            if before is not None:
                ratio = np.log(operator.grid.size / before[0])
                growth = f"{np.log(outcome.cpu / before[1]) / ratio:.2f}"
            before = operator.grid.size, outcome.cpu
            yield (
                f"| {problem} | {solver} | {size} | {outcome.seconds:.2f} | {outcome.cpu:.2f} | "
                f"{growth} | {outcome.load:.1f} | {_evidence(outcome)} |"
            )


def _evidence(outcome: Outcome) -> str:
    known = outcome.info
    parts = [f"{known['cycles']} cycles"] if "cycles" in known else []
    if "rounding" in known:
        parts.append(f"relative error {known['rounding']:.0e}")
    if "factor_entries" in known:
        parts.append(f"factors of {8e-6 * known['factor_entries']:.0f} MB")
    return ", ".join(parts)
