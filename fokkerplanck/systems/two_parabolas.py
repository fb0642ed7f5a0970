"""Two parabolas that meet in a kink, with noise that follows the curvature: all in closed form.

``L = L0 + x (x - g1)/f1`` for x >= 0, the flat valley, and ``L0 + x (x + g2)/f2`` for x < 0, the
sharp one.  The tensor ``D = Delta_S L''`` jumps at the ridge x = 0, so every answer depends on the
convention.  It is the cut across the valleys of `two_valley.TwoValley` at fixed y.  The formulas
are proved in derivations/10_two_valley.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Convention, Diffusion
from fokkerplanck.model.noise import Hessian
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.model.symbols import as_variables, gradient, match_names

__all__ = ["Reading", "Side", "TwoParabolas"]

Side = Literal["flat", "sharp"]
Reading = Literal["first_passage", "ito", "stratonovich", "isothermal"]

x = sp.Symbol("x", real=True)
SIDES: tuple[Side, Side] = ("flat", "sharp")
# p = D^(alpha - 1) exp(-U): what is continuous at the jump is D^(1 - alpha) p.
ALPHA = {"ito": sp.S.Zero, "stratonovich": sp.S.Half, "isothermal": sp.S.One}


@dataclass(frozen=True)
class TwoParabolas:
    r"""Double well of two parabolas, ``D = Delta_S L''`` constant on either side of the ridge.

    With ``U = x (x -+ g_i)/(2 Delta_S)`` and alpha = 0, 1/2, 1 (Itô, Stratonovich, isothermal) the
    stationary density is ``D^(alpha-1) exp(-U)`` on the whole line.

    Parameters
    ----------
    flatness : two numbers or expressions
        ``(f1, f2)``, each ``2/L''`` of its valley; flat first.
    separation : two numbers or expressions
        ``(g1, g2)``; the floors lie at ``g1/2`` and ``-g2/2``.
    noise : number or symbol
        ``Delta_S = eta sigma > 0``.
    base_loss : number or expression
        ``L0``, the loss on the ridge.
    variable : Symbol

    Raises
    ------
    InvalidModel
        When a pair is no pair, or `flatness`, `separation` or `noise` is not positive.

    Notes
    -----
    ``z_i = g_i/sqrt(8 Delta_S)`` stands below for the square root of barrier over noise,
    ``(L(0) - L(floor)) f_i/(2 Delta_S) = z_i^2``.

    Examples
    --------
    >>> cut = TwoParabolas((0.64, 0.4225), (1.6, 1.3), noise=0.1)
    >>> [float(cut.flat_probability(c)) for c in ("ito", "stratonovich", "isothermal")]
    [0.8201, 0.7874, 0.7506]
    """

    flatness: Any
    separation: Any
    noise: Any
    base_loss: Any = sp.S.Zero
    variable: Any = x

    def __post_init__(self) -> None:
        (variable,) = as_variables(self.variable)
        object.__setattr__(self, "variable", variable)
        for name in ("flatness", "separation"):
            pair = tuple(match_names(value, (variable,)) for value in getattr(self, name))
            if len(pair) != 2:
                raise InvalidModel(f"{name} is a pair, flat valley first, not {pair}")
            object.__setattr__(self, name, pair)
        for name in ("noise", "base_loss"):
            object.__setattr__(self, name, match_names(getattr(self, name), (variable,)))
        for name in ("flatness", "separation", "noise"):
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if value.is_number and not value.is_positive:
                    raise InvalidModel(f"{name} must be positive, not {value}")

    # The model -----------------------------------------------------------------------------

    @property
    def loss(self) -> sp.Expr:
        """``L(x)``."""
        (f1, f2), (g1, g2), across = self.flatness, self.separation, self.variable
        flat, sharp = across * (across - g1) / f1, across * (across + g2) / f2
        return self.base_loss + self._piecewise(flat, sharp)

    @property
    def flatness_ratio(self) -> sp.Expr:
        """``gamma = f1/f2``."""
        return self.flatness[0] / self.flatness[1]

    def barrier(self, source: Side) -> sp.Expr:
        """Height of the ridge over the floor of a valley, ``g_i^2/(4 f_i)``."""
        i = SIDES.index(source)
        return self.separation[i] ** 2 / (4 * self.flatness[i])

    def diffusion(self, convention: Convention = "ito") -> Diffusion:
        """``A = -L'`` and ``D = Delta_S L''``, read in a convention; that of SGD is Itô's."""
        drift = -gradient(self.loss, (self.variable,))
        tensor = self._piecewise(*(2 * self.noise / f for f in self.flatness))
        if convention == "stratonovich":
            return Diffusion.from_stratonovich((self.variable,), drift, [[sp.sqrt(2 * tensor)]])
        form = {"ito": Diffusion, "isothermal": Diffusion.from_isothermal}[convention]
        return form((self.variable,), drift, [[tensor]])

    def optimizer(self, learning_rate: Any, *, floor: Any = 0) -> SGD:
        """SGD with ``C = 2 sigma L'' + floor``, ``sigma = Delta_S/eta``."""
        eta = sp.sympify(learning_rate)
        noise = Hessian(2 * self.noise / eta, floor=floor)
        return SGD(self.loss, (self.variable,), noise, learning_rate=eta)

    # Stationary state ----------------------------------------------------------------------

    def effective_temperature(self) -> sp.Expr:
        """``T_eff = 2 Delta_S/sqrt(f1 f2)``, the geometric mean of D."""
        return 2 * self.noise / sp.sqrt(self.flatness[0] * self.flatness[1])

    def effective_loss(self, convention: Convention = "isothermal") -> sp.Expr:
        r"""``L_eff`` with stationary density ``exp(-L_eff/T_eff)``.

        ``gamma^(+-1/2) L + (1 - gamma^(+-1/2)) L0 -+ (1-alpha) (T_eff/2) ln gamma``, upper sign in
        the flat valley; the last term, a step at the ridge, is absent from the isothermal form.
        """
        (f1, f2), half = self.flatness, (1 - ALPHA[convention]) / 2
        excess = self.loss - self.base_loss
        step = half * self.effective_temperature() * sp.log(self.flatness_ratio)
        flat, sharp = sp.sqrt(f1 / f2) * excess - step, sp.sqrt(f2 / f1) * excess + step
        return sp.piecewise_fold(self.base_loss + self._piecewise(flat, sharp))

    def sgd_loss(self, convention: Convention = "isothermal") -> sp.Expr:
        """What the noise adds to the loss, ``L_SGD = L_eff - L``."""
        return sp.piecewise_fold(self.effective_loss(convention) - self.loss)

    def density(self, convention: Convention = "ito") -> sp.Expr:
        """Stationary density ``D^(alpha-1) exp(-U)``, not normalised."""
        exponent = 1 - ALPHA[convention]
        (f1, f2), (g1, g2), across = self.flatness, self.separation, self.variable
        weights = [(f / (2 * self.noise)) ** exponent for f in (f1, f2)]
        return self._piecewise(
            weights[0] * sp.exp(-across * (across - g1) / (2 * self.noise)),
            weights[1] * sp.exp(-across * (across + g2) / (2 * self.noise)),
        )

    def flat_odds(self, reading: Reading = "ito") -> sp.Expr:
        r"""Odds of the flat valley over the sharp one.

        For a convention exact on the whole line, ``gamma^(1-alpha) exp(z1^2 - z2^2) (1 + erf
        z1)/(1 + erf z2)``.  For "first_passage" the ratio of the two times to the ridge, ``gamma
        erfi(z1)/erfi(z2)``, which tends to ``gamma^(1/2) exp(z1^2 - z2^2)``.
        """
        z1, z2 = self._reach(0), self._reach(1)
        if reading == "first_passage":
            return self.flatness_ratio * sp.erfi(z1) / sp.erfi(z2)
        prefactor = self.flatness_ratio ** (1 - ALPHA[reading])
        return prefactor * sp.exp(z1**2 - z2**2) * (1 + sp.erf(z1)) / (1 + sp.erf(z2))

    def flat_probability(self, reading: Reading = "ito") -> sp.Expr:
        """Stationary probability of x > 0, from `flat_odds`."""
        return 1 / (1 + 1 / self.flat_odds(reading))

    # Passages ------------------------------------------------------------------------------

    def first_passage_time(self, source: Side) -> sp.Expr:
        r"""Time from a floor to the ridge, over a deep barrier: ``(pi/2) f erfi(z)``.

        The convention plays no part, as D is constant on the way.  Between one and two times
        `exact_first_passage_time`: it counts the time below the floor in full from the start.
        """
        i = SIDES.index(source)
        return sp.pi / 2 * self.flatness[i] * sp.erfi(self._reach(i))

    def exact_first_passage_time(self, source: Side) -> sp.Expr:
        r"""Mean time from a floor to the ridge, at any barrier.

        ``(f sqrt(pi)/2) [(sqrt(pi)/2) erfi(z) + int_0^z e^(v^2) erf(v) dv]``; the integral is
        ``z^2 2F2(1, 1; 3/2, 2; z^2)/sqrt(pi)``.
        """
        i = SIDES.index(source)
        z = self._reach(i)
        series = z**2 * sp.hyper([1, 1], [sp.Rational(3, 2), 2], z**2) / sp.sqrt(sp.pi)
        root = sp.sqrt(sp.pi) / 2
        return self.flatness[i] * root * (root * sp.erfi(z) + series)

    def commitment(self, convention: Convention = "ito") -> sp.Expr:
        r"""Probability to reach the flat floor before the sharp one, from the ridge.

        ``f2^alpha F(z2)/(f1^alpha F(z1) + f2^alpha F(z2))`` with Dawson's ``F(z) ~ exp(-z^2)
        erfi(z)``; over deep barriers ``1/(1 + gamma^alpha g2/g1)``.
        """
        weights = [
            f ** ALPHA[convention] * sp.exp(-(z**2)) * sp.erfi(z)
            for f, z in zip(self.flatness, (self._reach(0), self._reach(1)), strict=True)
        ]
        return weights[1] / (weights[0] + weights[1])

    def committor(self, convention: Convention = "ito") -> sp.Expr:
        """The same probability from any x; 1 beyond the flat floor, 0 beyond the sharp one."""
        (g1, g2), across = self.separation, self.variable
        ridge, scale = self.commitment(convention), sp.sqrt(2 * self.noise)
        climb = [
            sp.erfi((g1 / 2 - across) / scale) / sp.erfi(self._reach(0)),
            sp.erfi((g2 / 2 + across) / scale) / sp.erfi(self._reach(1)),
        ]
        return sp.Piecewise(
            (sp.S.One, across > g1 / 2),
            (1 - (1 - ridge) * climb[0], across >= 0),
            (ridge * climb[1], across >= -g2 / 2),
            (sp.S.Zero, True),
        )

    def transition_rate(self, source: Side, reading: Reading = "ito") -> sp.Expr:
        r"""Rate of transitions from one valley to the other, per unit of time.

        For "first_passage" ``1/first_passage_time``, as if everything that reaches the ridge went
        over.  For a convention ``q/[(pi/4) f (1 + erf z) erfi z]`` with the commitment q to the
        other side: flux over population, ``1/(int e^U D^-alpha dx int e^-U D^(alpha-1) dx)``, the
        first integral from floor to floor, the second over the source's side.
        """
        if reading == "first_passage":
            return 1 / self.first_passage_time(source)
        z = self._reach(SIDES.index(source))
        to_flat = self.commitment(reading)
        crossing = 1 - to_flat if source == "flat" else to_flat
        return 2 * crossing / ((1 + sp.erf(z)) * self.first_passage_time(source))

    def _reach(self, index: int) -> sp.Expr:
        """``z_i``: the way from a floor to the ridge over sqrt(2 Delta_S)."""
        return self.separation[index] / sp.sqrt(8 * self.noise)

    def _piecewise(self, flat: sp.Expr, sharp: sp.Expr) -> sp.Expr:
        return sp.Piecewise((flat, self.variable >= 0), (sharp, True))
