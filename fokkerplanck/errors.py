"""Exceptions and warnings; each message carries what, where, the number and the cure.

Every exception is a `ValueError` and every warning a `UserWarning`, so that code which knows
nothing of this package can still catch them.
"""

from __future__ import annotations

__all__ = [
    "CensoredPaths",
    "DegenerateWarning",
    "DisconnectedDomain",
    "DisconnectedWarning",
    "EdgeOfStabilityWarning",
    "FokkerPlanckError",
    "FokkerPlanckWarning",
    "GridMismatch",
    "InvalidCoefficient",
    "InvalidData",
    "InvalidGrid",
    "InvalidModel",
    "InvalidRegion",
    "MetastableWarning",
    "NotConserving",
    "NotConverged",
    "NotNormalizable",
    "NotPositiveSemidefinite",
    "UnboundSymbol",
    "UnresolvedWarning",
    "UnsupportedTensor",
]


class FokkerPlanckError(ValueError):
    """Base class of every exception that this package raises on purpose."""


class InvalidModel(FokkerPlanckError):
    """A symbolic model is malformed: wrong shapes, repeated variables, an unknown convention."""


class UnboundSymbol(FokkerPlanckError):
    """A parameter still has no value where numbers are needed."""


class InvalidCoefficient(FokkerPlanckError):
    """A drift or a tensor entry is not a finite real number somewhere in the domain."""


class NotPositiveSemidefinite(FokkerPlanckError):
    """A diffusion tensor or a noise covariance has a negative eigenvalue."""


class InvalidData(FokkerPlanckError):
    """The data of a per-sample loss are empty, of unequal lengths, or not finite."""


class InvalidGrid(FokkerPlanckError):
    """An axis is empty, reversed or not finite, or a boundary word is unknown."""


class GridMismatch(FokkerPlanckError):
    """The axes of a grid are not the variables of the model, in their order."""


class InvalidRegion(FokkerPlanckError):
    """A region is constant, empty, or refers to something that is no coordinate."""


class NotConserving(FokkerPlanckError):
    """An operation that needs conserved probability met an operator that loses it."""


class NotNormalizable(FokkerPlanckError):
    """No stationary density exists: its mass is infinite, or collapses onto a point."""


class NotConverged(FokkerPlanckError):
    """An iteration ended above its tolerance."""


class DisconnectedDomain(FokkerPlanckError):
    """The noise vanishes on a surface that separates the start from the target."""


class UnsupportedTensor(FokkerPlanckError):
    """A scheme was given a diffusion tensor that it cannot discretise."""


class FokkerPlanckWarning(UserWarning):
    """Base class of every warning that this package issues."""


class DisconnectedWarning(FokkerPlanckWarning):
    """The grid falls into parts between which no probability can flow."""


class DegenerateWarning(FokkerPlanckWarning):
    """Critical points fill a line or a region, or first derivatives do not decide their kind."""


class EdgeOfStabilityWarning(FokkerPlanckWarning):
    """A step overshoots the minimum: the ordinary diffusion is the wrong one of two."""


class MetastableWarning(FokkerPlanckWarning):
    """Relaxation is so slow that the chosen solver has lost digits of the answer."""


class UnresolvedWarning(FokkerPlanckWarning):
    """The grid is too coarse for the drift, the anisotropy or a layer."""


class CensoredPaths(FokkerPlanckWarning):
    """Some sampled paths ended before the event that they were to time."""
