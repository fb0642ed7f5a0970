"""W2: mean escape time over a barrier of 4 to 100 noise strengths, error of every method.

python -m benchmarks w2             # table, about a minute
python -m benchmarks w2 --write     # and benchmarks/results/w2.*
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from threadpoolctl import threadpool_limits

from benchmarks import w2_deeptime, w2_fipy, w2_fokkerplanck, w2_fplanck, w2_scikit_fem
from benchmarks.w2_method import Method
from benchmarks.w2_problem import BARRIERS, exact_time
from benchmarks.w2_report import environment, report, write

__all__ = ["METHODS", "Row", "main", "measure"]

METHODS: tuple[Method, ...] = (
    *w2_fokkerplanck.METHODS,
    *w2_fplanck.METHODS,
    *w2_fipy.METHODS,
    *w2_scikit_fem.METHODS,
    *w2_deeptime.METHODS,
)
CELLS = (256, 1024, 2048)


@dataclass(frozen=True)
class Row:
    """One method at one barrier and grid; `cells` is 0 for formulas.

    `error` is relative, None where no number came back; `warned` names the warning, or the
    exception instead of a number.
    """

    method: str
    cells: int
    barrier: float
    mean_time: float | None
    error: float | None
    warned: str | None
    seconds: float


def measure(methods: Sequence[Method], cells: Sequence[int]) -> Iterator[Row | str]:
    """Every method on every grid and barrier; yields rows, and lines about what was skipped."""
    for method in methods:
        if method.version is None:
            yield f"{method.name} ({method.package}): not installed"
            continue
        for n in cells if method.largest else (0,):
            if n > method.largest:
                yield f"{method.name}: not run at {n} (dense matrices)"
                continue
            for barrier in BARRIERS:
                yield _row(method, barrier, n)


def _row(method: Method, barrier: float, cells: int) -> Row:
    began = time.perf_counter()
    found, warned = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = method.solve(barrier, cells)
        except Exception as error:  # whatever a peer raises is its answer
            warned = type(error).__name__
    if warned is None and caught:
        warned = caught[0].category.__name__
    seconds = time.perf_counter() - began
    wrong = None if found is None else found / exact_time(barrier) - 1
    if wrong is not None and wrong != wrong:
        found = wrong = None
        warned = warned or "NaN"
    return Row(method.name, cells, barrier, found, wrong, warned, seconds)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks w2", description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS, metavar="N")
    parser.add_argument("--methods", nargs="+", default=[""], help="names start with one of these")
    parser.add_argument("--write", action="store_true", help="keep the results")
    chosen = parser.parse_args(arguments)
    methods = [m for m in METHODS if m.name.startswith(tuple(chosen.methods))]
    rows, skipped = [], []
    with threadpool_limits(1):
        for item in measure(methods, sorted(chosen.cells)):
            print(item, flush=True)
            (skipped if isinstance(item, str) else rows).append(item)
    results = {
        "environment": environment(METHODS),
        "rows": [asdict(row) for row in rows],  # type: ignore[call-overload]
        "skipped": skipped,
    }
    if chosen.write:
        write(results)
    print(report(results))
    return 0
