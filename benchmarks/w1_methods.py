"""All methods of W1; a package that is not installed is imported only when it is used."""

from __future__ import annotations

from benchmarks import w1_fipy, w1_fokkerplanck, w1_fplanck, w1_py_pde, w1_scikit_fem

__all__ = ["METHODS"]

METHODS = (
    *w1_fokkerplanck.METHODS,
    *w1_fipy.METHODS,
    *w1_scikit_fem.METHODS,
    *w1_fplanck.METHODS,
    *w1_py_pde.METHODS,
)
