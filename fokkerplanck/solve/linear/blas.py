"""One BLAS call inside compiled code: ``c += a @ b`` on views of row-major matrices.

`numpy.dot` inside numba needs contiguous operands and cannot accumulate, which costs two extra
passes over every trailing matrix; numba's own BLAS entry point takes leading dimensions.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

__all__ = ["add_product", "single_threaded_blas"]

# The symbol that numba links for its own matrix products; it is resolved by name when a cached
# function is loaded, which pointers obtained through ctypes are not.
_DOUBLES = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
_gemm: Any = types.ExternalFunction(
    "numba_xxgemm",
    types.intc(
        types.char,  # kind
        types.char,  # transa
        types.char,  # transb
        types.intp,  # m
        types.intp,  # n
        types.intp,  # k
        _DOUBLES,  # alpha
        _DOUBLES,  # a
        types.intp,  # lda
        _DOUBLES,  # b
        types.intp,  # ldb
        _DOUBLES,  # beta
        _DOUBLES,  # c
        types.intp,  # ldc
    ),
)
_DOUBLE = ord("d")
_NO_TRANSPOSE = ord("n")


@njit(cache=True, nogil=True)
def add_product(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], scale: float
) -> None:
    """Replace ``c`` by ``scale * c + a @ b``; columns of every operand are contiguous.

    BLAS is column-major, so the transposed product ``c^T = b^T a^T`` is what it is asked for.
    """
    if c.shape[0] == 0 or c.shape[1] == 0:
        return
    one = np.ones(1)
    beta = np.full(1, scale)
    _gemm(
        _DOUBLE,
        _NO_TRANSPOSE,
        _NO_TRANSPOSE,
        c.shape[1],
        c.shape[0],
        a.shape[1],
        one.ctypes,
        b.ctypes,
        b.strides[0] // 8,
        a.ctypes,
        a.strides[0] // 8,
        beta.ctypes,
        c.ctypes,
        c.strides[0] // 8,
    )


@cache
def _controller() -> Any:
    return ThreadpoolController()


def single_threaded_blas() -> AbstractContextManager[Any]:
    """Context in which BLAS uses one thread: fronts are too small to gain from more.

    Two BLAS threads on a busy machine wait for each other at every front (measured: 8 to 13 s
    instead of 0.6 s for 256 x 256 cells).
    """
    limit: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limit
