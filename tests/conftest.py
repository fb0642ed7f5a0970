"""Settings of the whole test run: one thread a process, no windows, repeatable hypothesis."""

from __future__ import annotations

import os

from hypothesis import settings

# Test processes run side by side; set before NumPy loads its BLAS, which reads these only once.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# No deadline: the first example may compile a kernel. Derandomised: the same examples every run.
settings.register_profile("fokkerplanck", deadline=None, derandomize=True, database=None)
settings.load_profile("fokkerplanck")
