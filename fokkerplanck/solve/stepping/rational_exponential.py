"""The exponential of a generator as a sum of resolvents on a hyperbola: one time, all digits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from fokkerplanck.errors import InvalidModel, NotConverged
from fokkerplanck.solve.linear.blas import single_threaded_blas
from fokkerplanck.solve.stepping.dynamics import Dynamics, Record

__all__ = ["Contour", "RationalExponential"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class Contour:
    """Trapezoidal rule for ``e^x = (2 pi i)^-1 int e^z/(z - x) dz`` on a hyperbola.

    ``z(u) = scale (1 + sin(i u - angle))`` at ``u = k spacing``, ``|k| <= nodes``.
    """

    nodes: int
    scale: float
    angle: float
    spacing: float

    def poles(self) -> tuple[Complex, Complex]:
        """Poles in the upper half plane and their residues: ``e^x = Re sum residue/(pole - x)``."""
        u = self.spacing * np.arange(self.nodes + 1)
        z = self.scale * (1.0 + np.sin(1j * u - self.angle))
        slope = 1j * self.scale * np.cos(1j * u - self.angle)
        residues = self.spacing / (2j * np.pi) * slope * np.exp(z)
        # Nodes below the axis give the conjugates.
        residues[1:] *= 2.0
        return z, residues


# Parameters that make the largest error for arguments within 52 degrees of the negative half line
# least, found numerically: 1e-12 (a test computes it).  Rotation in the plane that is twice as fast
# as relaxation has eigenvalues at 63 degrees.
BEST = Contour(nodes=15, scale=60.0, angle=1.03, spacing=0.07)
# Another contour for a second opinion, for 63 degrees: 2e-11.
OTHER = Contour(nodes=15, scale=70.01, angle=0.9837, spacing=0.06664)


@dataclass(frozen=True)
class RationalExponential:
    """``exp(t Q) P`` from the start to each time at once, by 16 complex factorisations a time.

    For a few times and many digits: errors near 1e-10 as long as ``eps t max|Q|`` is below that.
    What the last time owes to the contour is measured by another one; beyond the tolerance
    `NotConverged` is raised.  Nothing keeps it positive.

    Notes
    -----
    J. A. C. Weideman and L. N. Trefethen, Math. Comp. 76, 1341 (2007).
    """

    def run(
        self,
        dynamics: Dynamics,
        masses: Array,
        times: Array,
        tolerance: float,
        record: Record,
    ) -> Iterator[Array]:
        """Masses of the cells at each of the times.

        Raises
        ------
        InvalidModel
            When the rates depend on time.
        NotConverged
            When the two contours differ by more than the tolerance: eigenvalues too near to the
            imaginary axis, or rounding.
        """
        if dynamics.varies:
            raise InvalidModel(
                "RationalExponential() takes rates that do not depend on time; use TRBDF2()"
            )
        record.solver = "SparseLU"
        spans = times - dynamics.start
        # First, so that nothing is handed out that the check would refuse.
        record.error = self._check(dynamics, masses, float(spans[-1]), tolerance, record)
        for span in spans:
            yield _exponential(BEST, dynamics, masses, float(span), record)
            record.stepped(float(span), 0.0, 1.0 / spans.size)

    def _check(
        self, dynamics: Dynamics, masses: Array, span: float, tolerance: float, record: Record
    ) -> float:
        one, other = (_exponential(c, dynamics, masses, span, record) for c in (BEST, OTHER))
        error = float(np.abs(one - other).sum())
        # Written so that a NaN is refused too.
        if not error <= tolerance * float(np.abs(masses).sum()):
            raise NotConverged(
                f"two contours differ by {error:.2g} at t = {span:.4g}: rounding of about eps t "
                "max|Q|, or eigenvalues near the imaginary axis; use TRBDF2()"
            )
        return error


def _exponential(
    contour: Contour, dynamics: Dynamics, masses: Array, span: float, record: Record
) -> Array:
    matrix = sparse.csc_matrix(-span * dynamics.operator.matrix, dtype=np.complex128)
    identity = sparse.identity(masses.size, np.complex128, format="csc")
    result = np.zeros(masses.size)
    with single_threaded_blas():
        for pole, residue in zip(*contour.poles(), strict=True):
            factors = splu(
                sparse.csc_matrix(matrix + pole * identity),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=1e-3,
                options={"SymmetricMode": True},
            )
            record.factorizations += 1
            record.solves += 1
            result += (residue * factors.solve(masses.astype(np.complex128))).real
    return result
