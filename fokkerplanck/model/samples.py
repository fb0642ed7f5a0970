"""Averages over data as SymPy expressions.

A loss that is a mean over N samples would be a sum of N terms; `SampleMean` keeps it one node
that differentiates under the mean and is evaluated over the data in chunks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.errors import InvalidData

__all__ = ["Data", "Dataset", "Moments", "SampleMean", "as_data"]


class Dataset(sp.Atom):  # type: ignore[misc]
    """Columns of real numbers, one a data symbol; equal when names and numbers are equal.

    Parameters
    ----------
    columns : mapping of Symbol to array_like, shape (samples,)

    Raises
    ------
    InvalidData
        When a column is empty, not one-dimensional, not finite, or the lengths differ.
    """

    __slots__ = ("digest", "symbols", "table")
    symbols: tuple[sp.Symbol, ...]
    table: NDArray[np.float64]
    digest: str

    def __new__(cls, columns: Mapping[Any, Any]) -> Dataset:
        names = _distinct(columns)
        arrays = [
            _column(name, values) for name, values in zip(names, columns.values(), strict=True)
        ]
        lengths = {name: array.size for name, array in zip(names, arrays, strict=True)}
        if len(set(lengths.values())) > 1:
            raise InvalidData(f"the columns have unequal lengths: {lengths}; give one row a sample")
        self: Dataset = sp.Atom.__new__(cls)
        self.symbols = tuple(sp.Symbol(name, real=True) for name in names)
        # Samples first: a minibatch gathers whole rows.
        table = np.ascontiguousarray(np.column_stack(arrays))
        table.flags.writeable = False
        self.table = table
        self.digest = hashlib.sha256(repr(names).encode() + table.tobytes()).hexdigest()
        return self

    @property
    def size(self) -> int:
        """Number of samples."""
        return int(self.table.shape[0])

    def average(self, expression: sp.Expr) -> sp.Expr:
        """Mean of `expression` over the samples, as an expression."""
        return SampleMean(expression, self)

    def _hashable_content(self) -> tuple[str]:
        return (self.digest,)

    def __getnewargs__(self) -> tuple[dict[str, NDArray[np.float64]]]:
        return ({s.name: self.table[:, k] for k, s in enumerate(self.symbols)},)

    def _sympystr(self, printer: Any) -> str:
        return f"Dataset({', '.join(s.name for s in self.symbols)}; {self.digest[:8]})"


def _distinct(keys: Iterable[Any]) -> list[str]:
    names = [str(key) for key in keys]
    if len(set(names)) < len(names):
        raise InvalidData(f"two data symbols share a name: {names}")
    return names


def _column(name: str, values: Any) -> NDArray[np.float64]:
    try:
        given = np.asarray(values)
        if np.iscomplexobj(given):
            raise TypeError("complex numbers")
        array = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"the data of {name} are not real numbers: {error}") from error
    if array.ndim != 1 or array.size == 0:
        raise InvalidData(
            f"the data of {name} have shape {array.shape}; give a one-dimensional, non-empty array"
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InvalidData(
            f"the data of {name} are not finite at row {bad[0]} ({array[bad[0]]}), "
            f"{bad.size} of {array.size} rows in all; drop or impute them"
        )
    return array


class SampleMean(sp.Expr):  # type: ignore[misc]
    """Mean of an expression over a `Dataset`; factors and terms free of data move outside."""

    is_commutative = True

    def __new__(cls, expression: Any, data: Dataset) -> sp.Expr:
        expression = sp.sympify(expression)
        if not expression.has(*data.symbols):
            return expression
        outside, inside = expression.as_independent(*data.symbols, as_Add=True)
        factor, inside = inside.as_independent(*data.symbols, as_Add=False)
        node = sp.Expr.__new__(cls, inside, data)
        return outside + factor * node

    @property
    def expression(self) -> sp.Expr:
        """What is averaged."""
        return self.args[0]

    @property
    def data(self) -> Dataset:
        """What it is averaged over."""
        data: Dataset = self.args[1]
        return data

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        return set(self.expression.free_symbols) - set(self.data.symbols)

    def _eval_is_extended_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        return SampleMean(sp.diff(self.expression, symbol), self.data)

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Expr | None:
        return self if old in self.data.symbols else None

    def _latex(self, printer: Any) -> str:
        return rf"\left\langle {printer._print(self.expression)} \right\rangle"

    def _sympystr(self, printer: Any) -> str:
        return f"mean({printer._print(self.expression)})"


@dataclass(frozen=True, init=False)
class Moments:
    """Independent random variables known by their raw moments.

    Parameters
    ----------
    moments : mapping of Symbol to mapping of int to number or expression
        ``{x: {1: 0, 2: 1, 3: 0, 4: 3}}`` for a standard normal ``x``.

    Raises
    ------
    InvalidData
        When two symbols share a name.
    """

    symbols: tuple[sp.Symbol, ...]
    moments: tuple[sp.Dict, ...]

    def __init__(self, moments: Mapping[Any, Mapping[int, Any]]) -> None:
        names = _distinct(moments)
        object.__setattr__(self, "symbols", tuple(sp.Symbol(name, real=True) for name in names))
        given = tuple(
            sp.Dict({int(k): sp.sympify(v) for k, v in orders.items()})
            for orders in moments.values()
        )
        object.__setattr__(self, "moments", given)

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        """Parameters in the moments."""
        return set().union(*(orders.free_symbols for orders in self.moments))

    def subs(self, values: Mapping[sp.Symbol, sp.Expr]) -> Moments:
        """The same with parameters of the moments replaced."""
        return Moments(
            {
                symbol: {int(k): v.subs(values) for k, v in orders.items()}
                for symbol, orders in zip(self.symbols, self.moments, strict=True)
            }
        )

    def average(self, expression: sp.Expr) -> sp.Expr:
        """Expectation of a polynomial in the data symbols.

        Raises
        ------
        InvalidData
            When `expression` is no polynomial in them, or needs a moment that was not given.
        """
        try:
            polynomial = sp.Poly(sp.expand(expression), *self.symbols)
        except sp.PolynomialError as error:
            raise InvalidData(
                f"{expression} is no polynomial in {self.symbols}: moments do not suffice, "
                "give arrays of data"
            ) from error
        return sp.Add(
            *(
                coefficient * sp.Mul(*map(self._moment, range(len(powers)), powers))
                for powers, coefficient in polynomial.terms()
            )
        )

    def _moment(self, index: int, order: int) -> sp.Expr:
        if order == 0:
            return sp.S.One
        if order not in self.moments[index]:
            raise InvalidData(
                f"the moment of order {order} of {self.symbols[index]} is needed and was not given"
            )
        return self.moments[index][order]


Data = Dataset | Moments


def as_data(data: Any) -> Data:
    """`Dataset` from arrays, `Moments` from mappings of order to moment.

    Raises
    ------
    InvalidData
        When the two are mixed, or there are none.
    """
    if isinstance(data, (Dataset, Moments)):
        return data
    if not isinstance(data, Mapping) or not data:
        raise InvalidData("data is a dictionary: symbol -> array, or symbol -> {order: moment}")
    kinds = {isinstance(value, Mapping) for value in data.values()}
    if kinds == {True}:
        return Moments(data)
    if kinds == {False}:
        return Dataset(data)
    raise InvalidData("data mixes arrays and moments; give one kind for every symbol")
