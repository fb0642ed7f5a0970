"""Eigenvalues and modes of a one-step operator."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig
from scipy.sparse import csc_matrix, diags_array
from scipy.sparse.linalg import ArpackNoConvergence, eigs

from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import InvalidModel, MetastableWarning, NotConverged
from fokkerplanck.solve.solvers import LOST
from fokkerplanck.solve.spectrum_chain import ModalChain
from fokkerplanck.solve.spectrum_levels import Modes, slowest_modes

__all__ = ["StepModes", "modes_of_steps", "step_modes"]

Complex = NDArray[np.complex128]

# States up to which all eigenvalues are computed; 4 s at this size.
DENSE = 1000
# Relative uncertainty of a rate from which it is computed as one of the generator instead.
RETAKEN = 1e-9


@dataclass(frozen=True, eq=False)
class StepModes:
    """The largest eigenvalues of ``K``, by modulus.

    Attributes
    ----------
    eigenvalues : (k,) complex
        In the unit disc.  Near 1 for slow relaxation; near -1 where the iterate alternates, at
        sharpnesses of ``eta H = 2`` and above.  A mode decays as ``eigenvalue^steps``.
    modes : (k, n) complex
        ``K mode = eigenvalue mode``, masses.
    observables : (k, n) complex
        ``K^T observable = eigenvalue observable``, scaled so that ``observable @ mode = 1``.
    rounding : (k,)
        Estimated error of each eigenvalue: the rounding of ``K`` times the condition number.
    """

    eigenvalues: Complex
    modes: Complex
    observables: Complex
    rounding: NDArray[np.float64]


def step_modes(operator: TransitionOperator, count: int) -> StepModes:
    """Leading eigenvalues of a one-step operator with their modes.

    Parameters
    ----------
    operator : TransitionOperator
    count : int
        A conjugate pair counts as two; the pair that it would cut is completed.

    Raises
    ------
    InvalidModel
        When `count` is not between 1 and the number of states less two.
    NotConverged

    Warns
    -----
    MetastableWarning
        When fewer than six digits of the slowest decay are left.
    """
    modes = _leading(operator.matrix, count)
    _warn_of_lost_digits(modes)
    return modes


def _leading(matrix: csc_matrix, count: int) -> StepModes:
    size = matrix.shape[0]
    if int(count) != count or not 1 <= count <= size - 2:
        raise InvalidModel(f"count is between 1 and {size - 2}, not {count!r}")
    if size <= DENSE:
        values, left, right = eig(matrix.toarray(), left=True, right=True)
        left = left.conj()
    else:
        values, right, left = _by_arnoldi(matrix, int(count))
    order = np.argsort(-np.abs(values), kind="stable")
    kept = order[: int(count)]
    last = values[kept[-1]]
    if last.imag != 0.0 and np.isclose(values[kept], last.conjugate(), rtol=1e-9).sum() == 0:
        kept = order[: int(count) + 1]
    values, right, left = values[kept], right[:, kept].T, left[:, kept].T
    products = np.sum(left * right, axis=1)
    condition = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1) / np.abs(products)
    rounding = np.finfo(float).eps * float(np.sqrt(size)) * condition
    return StepModes(values, right, left / products[:, np.newaxis], rounding)


def modes_of_steps(operator: TransitionOperator, chain: ModalChain, count: int) -> Modes:
    """The leading modes as rates ``1 - eigenvalue`` of the generator ``K - I``.

    Those whose rates are lost to the rounding of the eigenvalue, the rate 0 among them, are
    computed as slow modes of the generator, without subtractions.
    """
    # In the chain's coordinates, where a mode's tails are no longer than its middle, eigenvalues
    # are well conditioned.
    matrix = csc_matrix(diags_array(1.0 / chain.scale) @ operator.matrix @ diags_array(chain.scale))
    found = _leading(matrix, count)
    rates = 1.0 - found.eigenvalues
    # A mode that alternates, of an eigenvalue near -1, is none of the generator's slow ones.
    slow = (found.rounding > RETAKEN * np.abs(rates)) & (found.eigenvalues.real > 0.0)
    right, left = found.modes.T, found.observables.conj().T
    residuals = np.linalg.norm(matrix @ right - right * found.eigenvalues, axis=0)
    parts = [
        Modes(
            rates[~slow],
            right[:, ~slow],
            left[:, ~slow],
            (residuals / np.linalg.norm(right, axis=0))[~slow],
            (found.rounding / np.maximum(np.abs(rates), found.rounding))[~slow],
            (),
        )
    ]
    if slow.any():
        parts.append(slowest_modes(chain, int(slow.sum())))
    return Modes(
        rates=np.concatenate([part.rates for part in parts]),
        right=np.concatenate([part.right for part in parts], axis=1),
        left=np.concatenate([part.left for part in parts], axis=1),
        residuals=np.concatenate([part.residuals for part in parts]),
        errors=np.concatenate([part.errors for part in parts]),
        shifts=parts[-1].shifts,
    )


def _by_arnoldi(matrix: csc_matrix, count: int) -> tuple[Complex, Complex, Complex]:
    """A few more than asked for, with the left vectors in the order of the right ones."""
    size = matrix.shape[0]
    wanted = min(count + 2, size - 2)
    # The same start every time, so that the same numbers come out.
    start = np.ones(size)
    try:
        values, right = eigs(matrix, k=wanted, which="LM", v0=start)
        found, left = eigs(matrix.T.tocsc(), k=wanted, which="LM", v0=start)
    except ArpackNoConvergence as error:
        raise NotConverged(
            f"Arnoldi's method found {len(error.eigenvalues)} of {wanted} eigenvalues: many modes "
            "decay at nearly the same rate; ask for fewer, or use fewer cells"
        ) from error
    partner = [int(np.argmin(np.abs(found - value))) for value in values]
    return values, right, left[:, partner]


def _warn_of_lost_digits(modes: StepModes) -> None:
    decay = np.abs(1.0 - modes.eigenvalues)
    slow = (decay > modes.rounding) & (modes.rounding > LOST * decay)
    # The stationary mode of a conserving operator decays by its rounding, and is no loss.
    if slow.any():
        worst = int(np.argmax(np.where(slow, modes.rounding / decay, 0.0)))
        warnings.warn(
            f"eigenvalue {modes.eigenvalues[worst]:.6g} is {decay[worst]:.2g} from 1 and known to "
            f"{modes.rounding[worst]:.1g}; the rate of a slow escape is 1 - lambda of "
            "quasi_stationary_density, which keeps its digits",
            MetastableWarning,
            stacklevel=3,
        )
