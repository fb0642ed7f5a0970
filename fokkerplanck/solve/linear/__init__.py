"""Linear solvers, one a file."""

from __future__ import annotations

from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize

__all__ = ["Analysis", "SubtractionFreeLU", "analyze", "factorize"]
