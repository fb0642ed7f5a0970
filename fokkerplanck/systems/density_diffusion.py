"""Escape over a parabolic barrier, with noise that follows the curvature: all in closed form.

Three parabolas that meet smoothly, a well on either side of a barrier, and a tensor that is
constant on each: the test bed on which the escape formula of density diffusion (Z. Xie, I. Sato and
M. Sugiyama, ICLR 2021) can be checked to every digit, in every convention.  The formulas are
proved in derivations/09_density_diffusion.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Convention, Diffusion
from fokkerplanck.model.noise import Covariance
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.model.symbols import as_variables, gradient, match_names

__all__ = ["ThreeParabolas"]

theta = sp.Symbol("theta", real=True)
# p = D^(alpha - 1) exp(-Phi), Phi' = L'/D.
ALPHA = {"ito": sp.S.Zero, "stratonovich": sp.S.Half, "isothermal": sp.S.One}


@dataclass(frozen=True)
class ThreeParabolas:
    r"""Two wells ``H_i (theta - theta_i)^2/2`` joined by ``dL_1 - H_b (theta - theta_b)^2/2``.

    Loss and slope are continuous.  The first minimum is 0, the ridge ``theta_b``, the second
    minimum lies beyond it.  On each parabola ``D = T |L''|`` with ``T = eta/(2 B)``, the noise of
    SGD; with ``noise="white"`` ``D = T`` everywhere.

    Parameters
    ----------
    wells : two numbers or expressions
        ``(H_1, H_2)``, curvatures of the wells.
    ridge : number or expression
        ``H_b > 0``, size of the curvature on the barrier.
    temperature : number or symbol
        ``T``.
    barriers : two numbers or expressions
        ``(dL_1, dL_2)``, height of the ridge over either minimum.
    noise : {"hessian", "white"}
    variable : Symbol

    Raises
    ------
    InvalidModel
        When a pair is no pair, the noise is unknown, or a number is not positive.

    Notes
    -----
    With ``D_i`` the tensor on either well and ``D_b`` on the barrier, the exponent to the ridge is
    ``dL_i (s_i/D_i + (1 - s_i)/D_b)``, ``s_i = H_b/(H_i + H_b)``.  Below ``z_i`` and ``w_i`` are
    the distances of the junction from minimum and ridge over ``sqrt(2 D/|L''|)`` on its two sides.

    Examples
    --------
    >>> bed = ThreeParabolas((4, 4), 1, 0.05)
    >>> float(bed.escape_time("isothermal")), float(bed.exact_escape_time("isothermal"))
    (1.518e8, 1.439e8)
    >>> float(bed.exact_escape_time("ito"))
    3.903e7
    """

    wells: Any
    ridge: Any
    temperature: Any
    barriers: Any = (1, 1)
    noise: Literal["hessian", "white"] = "hessian"
    variable: Any = theta

    def __post_init__(self) -> None:
        (variable,) = as_variables(self.variable)
        object.__setattr__(self, "variable", variable)
        if self.noise not in ("hessian", "white"):
            raise InvalidModel(f'noise is "hessian" or "white", not {self.noise!r}')
        for name in ("wells", "barriers"):
            pair = tuple(match_names(value, (variable,)) for value in getattr(self, name))
            if len(pair) != 2:
                raise InvalidModel(f"{name} is a pair, one value a well, not {pair}")
            object.__setattr__(self, name, pair)
        for name in ("ridge", "temperature"):
            object.__setattr__(self, name, match_names(getattr(self, name), (variable,)))
        for name in ("wells", "ridge", "temperature", "barriers"):
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if value.is_number and not value.is_positive:
                    raise InvalidModel(f"{name} must be positive, not {value}")

    # Geometry ------------------------------------------------------------------------------

    def _width(self, i: int) -> tuple[sp.Expr, sp.Expr]:
        """Distances of a junction from its minimum and from the ridge."""
        stretch = 1 + self.wells[i] / self.ridge
        reach = sp.sqrt(2 * self.barriers[i] / (self.wells[i] * stretch))
        return reach, reach * self.wells[i] / self.ridge

    @property
    def saddle(self) -> sp.Expr:
        """``theta_b``, the top of the barrier."""
        return sum(self._width(0), sp.S.Zero)

    @property
    def minima(self) -> tuple[sp.Expr, sp.Expr]:
        """The two minima, the first at 0."""
        return sp.S.Zero, self.saddle + sum(self._width(1), sp.S.Zero)

    @property
    def junctions(self) -> tuple[sp.Expr, sp.Expr]:
        """``theta_c`` on either side of the ridge, where D jumps."""
        return self._width(0)[0], self.saddle + self._width(1)[1]

    def path_fraction(self, well: int = 0) -> sp.Expr:
        """``s``, the share of the barrier below the junction."""
        return self.ridge / (self.wells[well] + self.ridge)

    # The model -----------------------------------------------------------------------------

    @property
    def loss(self) -> sp.Expr:
        """``L(theta)``, 0 at the first minimum."""
        at, (_, far) = self.variable, self.minima
        return self._piecewise(
            self.wells[0] * at**2 / 2,
            self.barriers[0] - self.ridge * (at - self.saddle) ** 2 / 2,
            self.barriers[0] - self.barriers[1] + self.wells[1] * (at - far) ** 2 / 2,
        )

    @property
    def levels(self) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """``D_1, D_b, D_2``, from left to right."""
        curvatures = (self.wells[0], self.ridge, self.wells[1])
        share = [sp.S.One] * 3 if self.noise == "white" else curvatures
        left, middle, right = (self.temperature * value for value in share)
        return left, middle, right

    @property
    def tensor(self) -> sp.Expr:
        """``D(theta)``."""
        return self._piecewise(*self.levels)

    def diffusion(self, convention: Convention = "ito") -> Diffusion:
        """``A = -L'`` and D, read in a convention; that of SGD is Itô's."""
        drift = -gradient(self.loss, (self.variable,))
        if convention == "stratonovich":
            root = self._piecewise(*(sp.sqrt(2 * level) for level in self.levels))
            return Diffusion.from_stratonovich((self.variable,), drift, [[root]])
        form = {"ito": Diffusion, "isothermal": Diffusion.from_isothermal}[convention]
        return form((self.variable,), drift, [[self.tensor]])

    def optimizer(self, learning_rate: Any) -> SGD:
        """SGD whose step has the covariance ``2 D/eta`` (``|L''|/B`` for ``T = eta/2B``)."""
        eta = sp.sympify(learning_rate)
        covariance = self._piecewise(*(2 * level / eta for level in self.levels))
        noise = Covariance([[covariance]])
        return SGD(self.loss, (self.variable,), noise, learning_rate=eta)

    # Escape --------------------------------------------------------------------------------

    def exponent(self, well: int = 0) -> sp.Expr:
        """``int L'/D`` from a minimum to the ridge, ``dL (s/D_a + (1 - s)/D_b)``."""
        share, level = self.path_fraction(well), self.levels[2 * well]
        return self.barriers[well] * (share / level + (1 - share) / self.levels[1])

    def escape_time(self, convention: Convention = "isothermal", well: int = 0) -> sp.Expr:
        r"""Leading order of the mean time from a minimum to the other side.

        ``(2 pi/H_b) sqrt(H_b D_a/(H_a D_b)) (D_b/D_a)^(1-alpha) exp(exponent)``: for the noise of
        SGD ``(2 pi/H_b) exp[(2 B dL/eta)(s/H_a + (1-s)/H_b)]``, the paper's formula, when
        isothermal, and ``H_b/H_a`` times that in Itô's convention.
        """
        curvature, level, top = self.wells[well], self.levels[2 * well], self.levels[1]
        volumes = sp.sqrt(self.ridge * level / (curvature * top))
        prefactor = 2 * sp.pi / self.ridge * volumes * (top / level) ** (1 - ALPHA[convention])
        return prefactor * sp.exp(self.exponent(well))

    def exact_escape_time(
        self, convention: Convention = "isothermal", *, target: Any = "minimum"
    ) -> sp.Expr:
        r"""Mean time from the first minimum until a target is reached, at any noise.

        ``int_0^target D^-alpha e^Phi int_-oo^y D^(alpha-1) e^-Phi dx dy``, piece by piece.

        Parameters
        ----------
        convention : {"ito", "stratonovich", "isothermal"}
        target : "minimum", "saddle", or expression
            The second minimum, the ridge, or a place between the two junctions.

        Raises
        ------
        InvalidModel
            When a target that is a number does not lie between the junctions.
        """
        alpha, (low, top, high) = ALPHA[convention], self.levels
        wells, ridge = self.wells, self.ridge
        (z1, w1), (z2, w2) = self._reach(0), self._reach(1)
        place = self.saddle if target == "saddle" else target
        end = w2 if target == "minimum" else self._checked(place) / sp.sqrt(2 * top / ridge)
        root = sp.sqrt(sp.pi) / 2
        # Lengths sqrt(2 D/|L''|) times D^(alpha - 1), of the masses; and times D^-alpha.
        mass = [
            sp.sqrt(2 * d / h) * d ** (alpha - 1)
            for d, h in zip((low, top, high), (wells[0], ridge, wells[1]), strict=True)
        ]
        climb = [m * d ** (1 - 2 * alpha) for m, d in zip(mass, (low, top, high), strict=True)]
        height, far_height = self.exponent(0), self.exponent(0) - self.exponent(1)
        inside = mass[0] * root * (1 + sp.erf(z1))
        rising = mass[0] * climb[0] * (root**2 * sp.erfi(z1) + root * _growing(z1))
        across = climb[1] * sp.exp(height) * inside * root * (sp.erf(end) + sp.erf(w1))
        across += mass[1] * climb[1] * root * (_decaying(end) - _decaying(w1))
        across += mass[1] * climb[1] * root**2 * sp.erfi(w1) * (sp.erf(end) + sp.erf(w1))
        if target != "minimum":
            return rising + across
        behind = inside + mass[1] * sp.exp(-height) * root * (sp.erfi(w1) + sp.erfi(w2))
        falling = climb[2] * sp.exp(far_height) * behind * root * sp.erfi(z2)
        falling += mass[2] * climb[2] * root * (root * sp.erf(z2) * sp.erfi(z2) - _growing(z2))
        return rising + across + falling

    def odds(self, convention: Convention = "ito") -> sp.Expr:
        r"""Stationary odds of the second well over the first, split at the ridge.

        Over deep barriers ``(D_2/D_1)^(alpha - 1/2) sqrt(H_1/H_2) exp(exponent_2 - exponent_1)``.
        For white noise that is ``sqrt(H_1/H_2) exp((dL_2 - dL_1)/T)``: at equal depth it is the
        same at every temperature, and polynomial in the sharpness.
        """
        alpha, sides = ALPHA[convention], []
        for i in (0, 1):
            (z, w), level, top = self._reach(i), self.levels[2 * i], self.levels[1]
            well = sp.sqrt(2 * level / self.wells[i]) * level ** (alpha - 1)
            barrier = sp.sqrt(2 * top / self.ridge) * top ** (alpha - 1)
            well *= sp.sqrt(sp.pi) / 2 * (1 + sp.erf(z)) * sp.exp(self.exponent(i))
            sides.append(well + barrier * sp.sqrt(sp.pi) / 2 * sp.erfi(w))
        return sides[1] / sides[0]

    def _reach(self, i: int) -> tuple[sp.Expr, sp.Expr]:
        """``z_i``, ``w_i``: distances of a junction from minimum and ridge, by the noise."""
        below, above = self._width(i)
        level, top = self.levels[2 * i], self.levels[1]
        return below / sp.sqrt(2 * level / self.wells[i]), above / sp.sqrt(2 * top / self.ridge)

    def _checked(self, place: Any) -> sp.Expr:
        """A target measured from the ridge."""
        given = match_names(place, (self.variable,))
        first, last = self.junctions
        within = sp.And(first <= given, given <= last)
        if within == sp.false:
            raise InvalidModel(
                f"the target {given} is not between the junctions {float(first):.6g} and "
                f'{float(last):.6g}; give "saddle", "minimum", or a place there'
            )
        return given - self.saddle

    def _piecewise(self, left: sp.Expr, middle: sp.Expr, right: sp.Expr) -> sp.Expr:
        first, last = self.junctions
        at = self.variable
        return sp.Piecewise((left, at < first), (middle, at < last), (right, True))


def _growing(z: sp.Expr) -> sp.Expr:
    """``int_0^z exp(v^2) erf(v) dv``."""
    return z**2 * sp.hyper([1, 1], [sp.Rational(3, 2), 2], z**2) / sp.sqrt(sp.pi)


def _decaying(z: sp.Expr) -> sp.Expr:
    """``int_0^z exp(-v^2) erfi(v) dv``."""
    return z**2 * sp.hyper([1, 1], [sp.Rational(3, 2), 2], -(z**2)) / sp.sqrt(sp.pi)
