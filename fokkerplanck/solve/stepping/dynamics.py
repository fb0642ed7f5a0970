"""An operator in time, and what a run with it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator, assemble
from fokkerplanck.errors import InvalidModel

__all__ = ["Dynamics", "EvolutionMethod", "Record"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dynamics:
    """``dP/dt = Q(t) P`` from the time at which the operator was assembled, 0 where it has none."""

    operator: FokkerPlanckOperator

    @property
    def start(self) -> float:
        """Time at which the evolution starts."""
        problem = self.operator.problem
        return 0.0 if problem is None or problem.time is None else float(problem.time)

    @property
    def varies(self) -> bool:
        """Whether the rates depend on time."""
        problem = self.operator.problem
        if problem is None or problem.diffusion.time is None:
            return False
        diffusion = problem.diffusion
        matrices = [diffusion.given, diffusion.tensor, diffusion.floor, diffusion.noise_matrix]
        return any(m is not None and m.has(diffusion.time) for m in matrices)

    def derivative(self, masses: Array, order: int) -> float:
        """Size in L1 of ``Q^order P`` at the start."""
        for _ in range(order):
            masses = self.operator.matrix @ masses
        return float(np.abs(masses).sum())

    def at(self, time: float, record: Record) -> FokkerPlanckOperator:
        """The operator at a time, assembled anew where the rates depend on it.

        Raises
        ------
        InvalidModel
            When each assembly would be a nonlinear problem of its own.
        """
        problem = self.operator.problem
        if not self.varies or problem is None or time == self.start:
            return self.operator
        if isinstance(self.operator, LogDensityOperator):
            raise InvalidModel(
                "the rates of LogDensity() exist at a stationary density only, which coefficients "
                "that depend on time do not have; assemble with Selling() or CrossDiffusion()"
            )
        record.assemblies += 1
        return assemble(problem.diffusion, self.operator.grid, problem.scheme, time=time)


@dataclass
class Record:
    """What a run has done so far; the one thing that a method writes to.

    Attributes
    ----------
    error : float
        Bound of the error in L1: the sum of the estimates of every step, because no step of a
        Markov chain makes a difference of two densities larger.
    limited : float
        Mass moved, in L1, where a step would have become negative.
    bar : progress bar, from 0 to 1
    """

    steps: int = 0
    rejected: int = 0
    factorizations: int = 0
    solves: int = 0
    assemblies: int = 0
    error: float = 0.0
    limited: float = 0.0
    shortest: float = np.inf
    longest: float = 0.0
    solver: str = ""
    bar: Any = field(default_factory=lambda: tqdm(total=1.0, disable=True))

    def stepped(self, step: float, limited: float, share: float) -> None:
        """Count a step."""
        self.steps += 1
        self.shortest = min(self.shortest, float(step))
        self.longest = max(self.longest, float(step))
        self.limited += limited
        self.bar.update(share)

    def info(self) -> Info:
        """The record as evidence."""
        return Info(
            solver=self.solver,
            steps=self.steps,
            rejected=self.rejected,
            factorizations=self.factorizations,
            solves=self.solves,
            assemblies=self.assemblies,
            shortest_step=self.shortest if self.steps else None,
            longest_step=self.longest if self.steps else None,
            estimated_error=float(self.error),
            limited=float(self.limited),
        )


@runtime_checkable
class EvolutionMethod(Protocol):
    """What `evolve` asks of a method."""

    def run(
        self,
        dynamics: Dynamics,
        masses: Array,
        times: Array,
        tolerance: float,
        record: Record,
    ) -> Iterator[Array]:
        """Masses of the cells at each of the times, which ascend and lie behind the start."""
