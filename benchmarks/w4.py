"""W4: Euler–Maruyama steps a second, multiplicative noise with a full tensor in the plane.

python -m benchmarks w4             # a table, about two minutes
python -m benchmarks w4 --write     # and benchmarks/results/w4.*
python -m benchmarks w4 --methods fokkerplanck numpy
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import w4_arrays, w4_fokkerplanck, w4_peers
from benchmarks.w4_method import Method
from benchmarks.w4_report import report, write

__all__ = ["METHODS", "Row", "main", "measure"]

METHODS = (*w4_fokkerplanck.METHODS, *w4_arrays.METHODS, *w4_peers.METHODS)


@dataclass(frozen=True)
class Row:
    """One method on some threads: medians over the repeats, and where its paths end.

    `rate` counts path-steps a second of wall time, `cpu` a second of processor time, `load` is the
    largest load average (one minute) of the machine when a repeat began.
    """

    method: str
    threads: int
    paths: int
    steps: int
    rate: float
    cpu: float
    repeats: int
    load: float
    mean: float | None
    variance: float | None


class Run:
    """A method on some threads, with what was measured so far."""

    def __init__(self, method: Method, threads: int) -> None:
        self.method, self.threads = method, threads
        self.times: list[tuple[float, float, float]] = []
        # Compiles, and is not counted.
        self.ends = method.run(method.paths, method.steps, threads)

    def time(self) -> None:
        """Run once more."""
        load = os.getloadavg()[0]
        began, cpu = time.perf_counter(), time.process_time()
        self.method.run(self.method.paths, self.method.steps, self.threads)
        self.times.append((time.perf_counter() - began, time.process_time() - cpu, load))

    def row(self) -> Row:
        """Medians, and the first two moments of x at the end."""
        seconds, cpu, load = zip(*self.times, strict=True)
        work = self.method.paths * self.method.steps
        x = self.ends[:, 0]
        return Row(
            self.method.name,
            self.threads,
            self.method.paths,
            self.method.steps,
            work / statistics.median(seconds),
            work / statistics.median(cpu),
            len(seconds),
            max(load),
            float(x.mean()) if x.size else None,
            float(x.var()) if x.size else None,
        )


def measure(methods: Sequence[Method], repeats: int) -> list[Row | str]:
    """Time everything; methods take turns, so that all meet the same load.

    Returns rows, and lines about what was skipped.
    """
    items: list[Row | str] = []
    runs = []
    for method in methods:
        if method.version is None:
            items.append(f"{method.name} ({method.package}): not installed")
            continue
        runs += [Run(method, threads) for threads in method.threads]
    for _ in range(repeats):
        for run in runs:
            run.time()
    return [*(run.row() for run in runs), *items]


def environment() -> dict[str, Any]:
    """What the figures depend on, without naming the machine."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "packages": {method.package: method.version for method in METHODS},
        "notes": {method.name: method.note for method in METHODS},
    }


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks w4", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=[""], help="names start with one of these")
    parser.add_argument("--write", action="store_true", help="keep the results")
    chosen = parser.parse_args(arguments)
    methods = [m for m in METHODS if m.name.startswith(tuple(chosen.methods))]
    with threadpool_limits(1):
        items = measure(methods, chosen.repeats)
    results = {
        "environment": environment(),
        "rows": [asdict(item) for item in items if isinstance(item, Row)],
        "skipped": [item for item in items if isinstance(item, str)],
    }
    if chosen.write:
        write(results)
    print(report(results))
    return 0
