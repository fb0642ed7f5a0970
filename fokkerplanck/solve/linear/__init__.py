"""Linear solvers, one a file."""

from __future__ import annotations

from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.sparse_lu import (
    SparseLUFactors,
    StationaryEvidence,
    factorize_lu,
)
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize

__all__ = [
    "Analysis",
    "SparseLUFactors",
    "StationaryEvidence",
    "SubtractionFreeLU",
    "analyze",
    "factorize",
    "factorize_lu",
]
