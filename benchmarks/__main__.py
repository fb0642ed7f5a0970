"""Run a workload: `python -m benchmarks w1 --help`. One BLAS thread for everyone."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from pathlib import Path

# Before NumPy is imported, and inherited by the processes of cold starts.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"


# Studies that write a table of their own, named by what they study.
STUDIES = ("eyring_kramers",)


def workloads() -> list[str]:
    """Modules without an underscore in their name, and studies; each has ``main(arguments)``."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in names if "_" not in name or name in STUDIES)


def main(arguments: list[str]) -> int:
    """Run the workload named first with the other arguments."""
    if not arguments or arguments[0] not in workloads():
        print(f"python -m benchmarks WORKLOAD [--help]; workloads: {', '.join(workloads())}")
        return 2
    code: int = importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
