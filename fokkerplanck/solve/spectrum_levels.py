"""Slow modes of a generator, level after level of ever faster rates.

Arnoldi's method on an inverse sees rates within some 1e6 of the slowest to the digits that count;
faster ones drown in its rounding.  So the modes that were found are projected out, the shift moves
up to where the next rates are, and so on: each rate is found at a level of its own size, where the
subtraction-free resolvent has all its digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotConverged
from fokkerplanck.solve.spectrum_chain import ModalChain
from fokkerplanck.solve.spectrum_krylov import VISIBLE, RitzPairs, leading_pairs
from fokkerplanck.solve.spectrum_resolvent import Resolvent

__all__ = ["Modes", "slowest_modes"]

Array = NDArray[np.float64]
Values = NDArray[Any]

# Rounding, as a share of a rate, with which it is taken from a level.
TRUSTED = 1e-9
# Where nothing is seen below a level, the next one is this much faster; VISIBLE rounding noises
# lie some 1e13 below.
LEAP = 1e11
# Columns of a block: as many copies of a multiple rate are found in one pass.
BLOCK = 2
# Residual at which a check that nothing was missed is read, and how close the rates may then be.
COARSE, CLOSE = 1e-2, 0.95
# Eigenvalues of the matrix and of its transpose agree at least so well, or to so many times what
# rounding may have taken.
SAME, DOUBTFUL = 1e-5, 100.0


@dataclass(frozen=True)
class Modes:
    """Modes by rising modulus of their rates, scaled as in `ModalChain`.

    Attributes
    ----------
    rates : (k,)
    right, left : (n, k), ``left^H right = 1``
    residuals : (k,) of ``A x = theta x``, over theta
    errors : (k,) bound of the relative error of the rates to first order
    shifts : of the levels
    """

    rates: Values
    right: Values
    left: Values
    residuals: Array
    errors: Array
    shifts: tuple[float, ...]


@dataclass
class _Search:
    """What has been found so far."""

    chain: ModalChain
    count: int
    rates: Values = field(default_factory=lambda: np.empty(0, complex))
    right: Values = field(init=False)
    left: Values = field(init=False)
    residuals: Array = field(default_factory=lambda: np.empty(0))
    errors: Array = field(default_factory=lambda: np.empty(0))
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.right = self.left = np.empty((self.chain.size, 0))
        if self.chain.conserving:
            root = self.chain.scale[:, np.newaxis]
            self.add(np.zeros(1), root, root, np.zeros(1), np.zeros(1))

    def add(
        self, rates: Values, right: Values, left: Values, residuals: Array, errors: Array
    ) -> None:
        self.rates = np.append(self.rates, rates)
        self.right, self.left = np.hstack([self.right, right]), np.hstack([self.left, left])
        self.residuals = np.append(self.residuals, residuals)
        self.errors = np.append(self.errors, errors)

    @property
    def fastest(self) -> float:
        """Modulus of the last rate that is wanted."""
        return float(np.sort(np.abs(self.rates))[self.count - 1])

    def without(self, block: Values) -> Values:
        """Right vectors without the modes."""
        result = block - self.right @ (self.left.conj().T @ block)
        return result if np.iscomplexobj(block) else np.real(result)

    def transposed_without(self, block: Values) -> Values:
        """Left vectors without the modes."""
        result = block - self.left @ (self.right.conj().T @ block)
        return result if np.iscomplexobj(block) else np.real(result)

    def pairs(self, resolvent: Resolvent, wanted: int, **options: float) -> RitzPairs:
        """The next modes at this level."""
        return leading_pairs(
            lambda block: self.without(resolvent.times(self.without(block))),
            self.without(self._start()),
            wanted,
            symmetric=self.chain.symmetric,
            noise=lambda: resolvent.noise,
            **options,
            **({"rounding": TRUSTED} if self.chain.monotone else {}),
        )

    def transposed_pairs(self, resolvent: Resolvent, wanted: int) -> RitzPairs:
        """The next modes of the transpose."""
        return leading_pairs(
            lambda block: self.transposed_without(
                resolvent.times_transpose(self.transposed_without(block))
            ),
            self.transposed_without(self._start()),
            wanted,
            symmetric=False,
            noise=lambda: resolvent.noise,
        )

    def _start(self) -> Array:
        free = self.chain.size - self.rates.size
        block = self.generator.standard_normal((self.chain.size, max(1, min(BLOCK, free))))
        return block * self.chain.heights[:, np.newaxis]


def slowest_modes(chain: ModalChain, count: int) -> Modes:
    """The `count` rates of smallest modulus; one more rather than half a conjugate pair.

    Raises
    ------
    NotConverged
    """
    search = _Search(chain, count)
    shifts: list[float] = []
    shift = 0.0
    while search.rates.size < count:
        resolvent = chain.resolvent(shift)
        shifts.append(shift)
        following = _exhaust(search, resolvent)
        if search.rates.size < count and not following > shift:
            raise NotConverged(
                f"{search.rates.size} of {count} rates were found; beyond {shift:.3g} there seem "
                "to be none: ask for fewer"
            )
        shift = following
    order = np.lexsort([search.rates.imag, np.abs(search.rates)])
    kept = order[:count]
    last = search.rates[kept[-1]]
    if last.imag and not np.isclose(search.rates[kept], last.conjugate(), rtol=1e-8).any():
        kept = order[: count + 1]
    return Modes(
        search.rates[kept],
        search.right[:, kept],
        search.left[:, kept],
        search.residuals[kept],
        search.errors[kept],
        tuple(shifts),
    )


def _exhaust(search: _Search, resolvent: Resolvent) -> float:
    """Take what this level shows; the shift of the next one."""
    monotone = search.chain.monotone
    while search.rates.size < search.chain.size:
        missing = search.count - search.rates.size
        if missing <= 0 and not _overlooked(search, resolvent):
            return np.inf
        pairs = search.pairs(resolvent, max(missing, 1))
        rates = resolvent.rates(pairs.values)
        # In units of the rate: the noise over the eigenvalue, times the shift that is taken off.
        taken = pairs.converged.copy()
        if monotone:
            size = np.abs(pairs.values[taken] / (1.0 + resolvent.shift / rates[taken]))
            taken[taken] = resolvent.noise < TRUSTED * size
        # Nothing faster before what is slower, nor half a pair.
        number = int(np.argmin(np.append(taken, False)))
        if number and rates[number - 1].imag > 0.0 and number < rates.size:
            number -= int(not np.isclose(rates[number - 1], rates[number - 2].conjugate()))
        if number:
            _take(search, resolvent, pairs, number)
            continue
        if not monotone:
            raise NotConverged(
                "SparseLU() loses the rates beyond the slowest: use a monotone scheme such as "
                "Selling()"
            )
        seen = np.abs(pairs.values[0]) > VISIBLE * resolvent.noise
        return float(np.abs(rates[0])) / 4.0 if seen else LEAP * resolvent.unit
    return np.inf


def _overlooked(search: _Search, resolvent: Resolvent) -> bool:
    """Whether a rate below the last one was missed: copies of a multiple one above all."""
    pairs = search.pairs(resolvent, 1, tolerance=COARSE)
    if not pairs.converged[0]:
        return False
    slowest = float(np.abs(resolvent.rates(pairs.values)[0]))
    if slowest < CLOSE * search.fastest:
        return True
    if slowest > search.fastest / CLOSE:
        return False
    pairs = search.pairs(resolvent, 1)
    slowest = float(np.abs(resolvent.rates(pairs.values)[0]))
    return slowest < search.fastest * (1.0 - SAME)


def _take(search: _Search, resolvent: Resolvent, pairs: RitzPairs, number: int) -> None:
    values = pairs.values[:number]
    right = search.without(pairs.vectors[:, :number])
    right = right / np.linalg.norm(right, axis=0)
    left = right
    apart = np.zeros(number)
    if not search.chain.symmetric:
        other = search.transposed_pairs(resolvent, number)
        apart = np.abs(np.abs(other.values[:number]) - np.abs(values)) / np.abs(values)
        lost = resolvent.noise / float(np.abs(values).min())
        if not (apart < max(SAME, DOUBTFUL * lost)).all():
            raise NotConverged(
                f"the eigenvalues {other.values[:number]} of the transposed matrix are not those "
                f"of the matrix, {values}: the modes are ill conditioned"
            )
        left = search.transposed_without(other.vectors[:, :number])
        left = left @ np.linalg.inv(right.conj().T @ left)
    rates = resolvent.rates(values)
    condition = np.linalg.norm(right, axis=0) * np.linalg.norm(left, axis=0)
    relative = pairs.residuals[:number] / np.abs(values)
    errors = apart + condition * (relative + resolvent.noise / np.abs(values))
    errors = errors * np.abs(rates + resolvent.shift) / np.abs(rates)
    search.add(rates, right, left, relative, errors)
