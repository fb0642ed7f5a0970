"""Linear solvers, one a file."""

from __future__ import annotations

from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize
from fokkerplanck.solve.linear.symbolic import Analysis, analyze

__all__ = ["Analysis", "SubtractionFreeLU", "analyze", "factorize"]
