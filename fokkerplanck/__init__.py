"""Fokker–Planck equations of stochastic gradient descent, from symbols to escape rates.

A loss and a noise model go in as SymPy expressions; drift, diffusion tensor, stationary density,
effective potential and currents come out, each with the evidence for it.

Convention, everywhere: ``dp/dt = -d_i(A_i p) + d_i d_j (D_ij p)`` (Itô), ``D = B B^T / 2``, time
``t = eta * steps``, effective potential ``Phi = -log p`` with minimum 0.
"""

from __future__ import annotations

from fokkerplanck import errors, flows, theory
from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.operator import FokkerPlanckOperator, assemble
from fokkerplanck.discretize.schemes.corner import Corner
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.discretize.schemes.selling import Selling
from fokkerplanck.discretize.transition import TransitionOperator, transition_operator
from fokkerplanck.model import noise, symmetry
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum
from fokkerplanck.model.stochastic_rod import StochasticRod
from fokkerplanck.observe.critical_points import critical_points
from fokkerplanck.observe.current import probability_current
from fokkerplanck.observe.entropy import entropy_production
from fokkerplanck.observe.potential import effective_potential
from fokkerplanck.results.comparison import Comparison
from fokkerplanck.results.density import Density, gaussian_density
from fokkerplanck.results.ensemble import Ensemble
from fokkerplanck.results.evolution import Evolution
from fokkerplanck.results.field import Field, VectorField
from fokkerplanck.results.gaussian import Gaussian
from fokkerplanck.results.passage_distribution import FirstPassageDistribution
from fokkerplanck.results.rate import Rate
from fokkerplanck.results.rate_matrix import RateMatrix
from fokkerplanck.results.slow_evolution import SlowEvolution
from fokkerplanck.results.spectrum import Spectrum
from fokkerplanck.results.statistics import Statistics
from fokkerplanck.results.trajectory import Trajectory
from fokkerplanck.sample.passage import sample_escape_rate
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.schemes import EulerMaruyama, Tamed, WeakSecondOrder
from fokkerplanck.sample.sgd import simulate_sgd
from fokkerplanck.sample.statistics import sample_statistics
from fokkerplanck.solve.committor import committor
from fokkerplanck.solve.compare import compare
from fokkerplanck.solve.escape import escape_rate
from fokkerplanck.solve.evolution import evolve
from fokkerplanck.solve.fipy import FiPy
from fokkerplanck.solve.passage import first_passage_variance, mean_first_passage_time
from fokkerplanck.solve.quasi_stationary import quasi_stationary_density
from fokkerplanck.solve.rate_matrix import rate_matrix
from fokkerplanck.solve.slow_diffusion import slow_diffusion
from fokkerplanck.solve.solvers import (
    AlgebraicMultigrid,
    DetailedBalance,
    SparseLU,
    SubtractionFree,
)
from fokkerplanck.solve.spectrum import spectrum
from fokkerplanck.solve.stationary import stationary_density
from fokkerplanck.solve.stepping.implicit_euler import ImplicitEuler
from fokkerplanck.solve.stepping.rational_exponential import RationalExponential
from fokkerplanck.solve.stepping.trbdf2 import TRBDF2
from fokkerplanck.solve.steps_distribution import first_passage_distribution
from fokkerplanck.solve.steps_slow import slow_evolution
from fokkerplanck.solve.steps_slow_sweep import slow_sweep

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "SGLD",
    "TRBDF2",
    "AlgebraicMultigrid",
    "Comparison",
    "Corner",
    "CrossDiffusion",
    "Density",
    "DetailedBalance",
    "Diffusion",
    "Ensemble",
    "EulerMaruyama",
    "Evolution",
    "FiPy",
    "Field",
    "FirstPassageDistribution",
    "FokkerPlanckOperator",
    "Gaussian",
    "Grid",
    "ImplicitEuler",
    "LogDensity",
    "Mapped",
    "Mesh",
    "Momentum",
    "Panels",
    "Rate",
    "RateMatrix",
    "RationalExponential",
    "Selling",
    "SlowEvolution",
    "SparseLU",
    "Spectrum",
    "Statistics",
    "StochasticRod",
    "SubtractionFree",
    "Tamed",
    "Trajectory",
    "TransitionOperator",
    "VectorField",
    "WeakSecondOrder",
    "assemble",
    "committor",
    "compare",
    "critical_points",
    "effective_potential",
    "entropy_production",
    "errors",
    "escape_rate",
    "evolve",
    "first_passage_distribution",
    "first_passage_variance",
    "flows",
    "gaussian_density",
    "mean_first_passage_time",
    "noise",
    "probability_current",
    "quasi_stationary_density",
    "rate_matrix",
    "sample_escape_rate",
    "sample_statistics",
    "simulate",
    "simulate_sgd",
    "slow_diffusion",
    "slow_evolution",
    "slow_sweep",
    "spectrum",
    "stationary_density",
    "symmetry",
    "theory",
    "transition_operator",
]
