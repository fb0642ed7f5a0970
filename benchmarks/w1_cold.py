"""First answer of a fresh process: `python -m benchmarks.w1_cold METHOD PROBLEM CELLS`.

Prints the seconds until the first density, with the package's imports, and for the second one.
"""

from __future__ import annotations

import time

_BEGAN = time.perf_counter()
import sympy as sp  # noqa: E402, F401

_SYMPY = time.perf_counter() - _BEGAN

import json  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import warnings  # noqa: E402

from benchmarks.w1_method import Method  # noqa: E402
from benchmarks.w1_methods import METHODS  # noqa: E402
from benchmarks.w1_problem import PROBLEMS, Problem  # noqa: E402

__all__ = ["cold_start"]

# This module imports SymPy for all; it is counted where the method needs it.
NEEDS_SYMPY = ("fokkerplanck", "py-pde")
CACHES = ("NUMBA_CACHE_DIR", "FOKKERPLANCK_CACHE")


def cold_start(method: Method, problem: Problem, cells: int, *, empty: bool) -> dict[str, float]:
    """Seconds for the first and second density of a fresh process.

    With `empty` the caches of compiled code are empty too, as on the day of installation.
    """
    command = [sys.executable, "-m", "benchmarks.w1_cold", method.name, problem.name, str(cells)]
    with tempfile.TemporaryDirectory() as folder:
        caches = dict.fromkeys(CACHES, folder) if empty else {}
        done = subprocess.run(
            command, env=os.environ | caches, capture_output=True, text=True, check=True
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(name: str, problem_name: str, cells: str) -> None:
    """Time two solutions and print them as JSON."""
    warnings.simplefilter("ignore")
    method = next(method for method in METHODS if method.name == name)
    problem = PROBLEMS[problem_name]
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        method.solve(problem, int(cells))
        seconds.append(time.perf_counter() - began)
    first = seconds[0] + (_SYMPY if method.package in NEEDS_SYMPY else 0.0)
    print(json.dumps({"first": first, "second": seconds[1]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
