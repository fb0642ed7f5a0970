"""Symbolic diffusions in the Itô, Stratonovich and isothermal conventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.change_variables import change_variables
from fokkerplanck.model.potential import find_potential
from fokkerplanck.model.symbols import (
    as_column,
    as_square,
    as_variables,
    divergence,
    has_jumps,
    match_names,
    noise_induced_drift,
    replacements,
)

__all__ = ["Convention", "Diffusion"]

Convention = Literal["ito", "stratonovich", "isothermal"]


@dataclass(frozen=True, init=False)
class Diffusion:
    r"""Itô diffusion ``dp/dt = -d_i(A_i p) + d_i d_j (D_ij p)`` given by symbols.

    Parameters
    ----------
    variables : sequence of Symbol, length d
        In the order of every vector and of every grid's axes.
    drift : vector of expressions, length d
        Itô drift ``A``.
    tensor : matrix of expressions, shape (d, d)
        Diffusion tensor ``D = B B^T / 2``.
    time : Symbol, optional
        The symbol of time, where coefficients depend on it.
    negative : {"refuse", "clip"}
        What to do where ``D`` has a negative eigenvalue: refuse to assemble or to simulate, or set
        the eigenvalue to zero.  The clip is numeric; `tensor` shows the entries before it.
    floor : number or expression
        Isotropic part of `tensor` that the clip leaves alone.

    Notes
    -----
    A diffusion keeps the form it was given in.  Where ``D`` jumps, the conventions differ by a
    delta function that no symbolic drift shows: ``D p`` is continuous in the Itô convention, ``p``
    in the isothermal one.  `drift` is the Itô drift away from jumps.

    Source: C. W. Gardiner, Stochastic Methods, 4th ed. (2009), ch. 4; P. Hänggi and H. Thomas,
    Phys. Rep. 88, 207 (1982).

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> k, T = sp.symbols("k T", positive=True)
    >>> ornstein_uhlenbeck = Diffusion((x,), [-k * x], [[T]])
    >>> ornstein_uhlenbeck.potential()
    k*x**2/(2*T)
    >>> ornstein_uhlenbeck.parameters
    (T, k)
    """

    variables: tuple[sp.Symbol, ...]
    tensor: sp.ImmutableMatrix
    convention: Convention
    given: sp.ImmutableMatrix
    noise_matrix: sp.ImmutableMatrix | None
    time: sp.Symbol | None
    negative: Literal["refuse", "clip"]
    floor: sp.Expr

    def __init__(
        self,
        variables: Any,
        drift: Any,
        tensor: Any,
        *,
        time: sp.Symbol | None = None,
        negative: Literal["refuse", "clip"] = "refuse",
        floor: Any = 0,
    ) -> None:
        symbols = as_variables(variables)
        if time is not None and time.name in {v.name for v in symbols}:
            raise InvalidModel(f"{time} is both the time and a variable")
        if negative not in ("refuse", "clip"):
            raise InvalidModel(f'negative is "refuse" or "clip", not {negative!r}')
        known = (*symbols, time) if time is not None else symbols
        size = len(symbols)
        self._set(
            variables=symbols,
            given=_matched(as_column(drift, size, "the drift"), known),
            tensor=_matched(as_square(tensor, size, "the diffusion tensor"), known),
            convention="ito",
            noise_matrix=None,
            time=time,
            negative=negative,
            floor=match_names(floor, known),
        )

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_isothermal(
        cls,
        variables: Any,
        force: Any,
        tensor: Any,
        *,
        time: sp.Symbol | None = None,
        negative: Literal["refuse", "clip"] = "refuse",
        floor: Any = 0,
    ) -> Diffusion:
        """Diffusion with flux ``J = F p - D grad p`` (Hänggi, kinetic, isothermal convention).

        Examples
        --------
        >>> import sympy as sp
        >>> x = sp.Symbol("x", real=True)
        >>> Diffusion.from_isothermal((x,), [-x * (1 + x**2)], [[1 + x**2]]).potential()
        x**2/2
        """
        diffusion = cls(variables, force, tensor, time=time, negative=negative, floor=floor)
        diffusion._set(convention="isothermal")
        return diffusion

    @classmethod
    def from_stratonovich(
        cls, variables: Any, drift: Any, noise_matrix: Any, *, time: sp.Symbol | None = None
    ) -> Diffusion:
        """Diffusion ``dx = a dt + B o dW``; ``D = B B^T/2``, Itô drift ``a_i + B_jk d_j B_ik / 2``.

        Parameters
        ----------
        drift : vector of expressions, length d
            Stratonovich drift ``a``.
        noise_matrix : matrix of expressions, shape (d, m)
            ``B``; one column for each of the m Wiener processes.
        """
        symbols = as_variables(variables)
        if not isinstance(noise_matrix, sp.MatrixBase):
            rows = noise_matrix if hasattr(noise_matrix, "__len__") else [[noise_matrix]]
            noise_matrix = sp.Matrix(rows)
        if noise_matrix.rows != len(symbols):
            raise InvalidModel(
                f"the noise matrix has {noise_matrix.rows} rows for {len(symbols)} variables"
            )
        known = (*symbols, time) if time is not None else symbols
        noise = _matched(sp.ImmutableMatrix(noise_matrix), known)
        diffusion = cls(symbols, drift, noise * noise.T / 2, time=time)
        diffusion._set(convention="stratonovich", noise_matrix=noise)
        return diffusion

    @property
    def dimension(self) -> int:
        """Number of variables."""
        return len(self.variables)

    @property
    def drift(self) -> sp.ImmutableMatrix:
        """Itô drift ``A``, shape (d, 1), away from jumps of the tensor."""
        if self.convention == "ito":
            return self.given
        if self.convention == "isothermal":
            self._refuse_clip("its Itô drift")
            return sp.ImmutableMatrix(self.given + divergence(self.tensor, self.variables))
        assert self.noise_matrix is not None
        correction = noise_induced_drift(self.noise_matrix, self.variables)
        return sp.ImmutableMatrix(self.given + correction)

    @property
    def force(self) -> sp.ImmutableMatrix:
        """Isothermal force ``F = A - div D``, shape (d, 1), away from jumps of the tensor."""
        if self.convention == "isothermal":
            return self.given
        self._refuse_clip("its isothermal force")
        return sp.ImmutableMatrix(self.drift - divergence(self.tensor, self.variables))

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """Symbols without a value yet, by name; neither variables nor time."""
        bound = {*self.variables, self.time}
        free = self.given.free_symbols | self.tensor.free_symbols | self.floor.free_symbols
        if self.noise_matrix is not None:
            free |= self.noise_matrix.free_symbols
        return tuple(sorted(free - bound, key=lambda symbol: str(symbol.name)))

    @property
    def jumps(self) -> bool:
        """Whether the tensor contains a function that jumps; a bend has a derivative almost
        everywhere and counts as smooth.
        """
        return has_jumps(self.tensor, self.variables, bends=False)

    def subs(self, substitution: Mapping[Any, Any]) -> Diffusion:
        """The diffusion with parameters replaced, by symbol or by name.

        Raises
        ------
        InvalidModel
            When a variable or the time is to be replaced.
        """
        fixed = {v.name for v in (*self.variables, self.time) if v is not None}
        refused = fixed & {str(key) for key in substitution}
        if refused:
            raise InvalidModel(f"{sorted(refused)} are coordinates, not parameters")
        known = (*self.variables, *([self.time] if self.time is not None else []))
        values = {
            key: match_names(value, known)
            for key, value in replacements(substitution, self.parameters).items()
        }
        changed = copy(self)
        changed._set(
            given=self.given.subs(values),
            tensor=self.tensor.subs(values),
            floor=self.floor.subs(values),
            noise_matrix=None if self.noise_matrix is None else self.noise_matrix.subs(values),
        )
        return changed

    def change_variables(
        self, new_variables: Any, expressions: Any, *, inverse: Mapping[Any, Any] | None = None
    ) -> Diffusion:
        """The diffusion of ``y = f(x, t)`` by Itô's formula; each convention keeps its form.

        For formulas, errors and examples see `fokkerplanck.model.change_variables`.

        Raises
        ------
        InvalidModel
            When the result is no function of the new variables, or no inverse is found.
        """
        return change_variables(self, new_variables, expressions, inverse)

    def potential(self) -> sp.Expr | None:
        """``Phi`` with ``p ~ exp(-Phi)`` and no current, up to a constant; None without one.

        Detailed balance means ``D^-1 F = -grad Phi`` with ``F = A - div D``: the mixed partial
        derivatives of ``D^-1 F`` agree, tested to 1e-9 relative at random points so that floating
        point parameters pass.  Where SymPy finds no closed form, `Phi` holds an `Integral`.

        Raises
        ------
        InvalidModel
            When the tensor is clipped, or jumps in more than one variable in a convention other
            than the isothermal one: then no symbolic force exists.  Also for averages over data.
        """
        self._refuse_clip("its potential")
        if self.dimension == 1:
            return find_potential(*self._one_dimensional(), self.variables)
        if self.jumps and self.convention != "isothermal":
            raise InvalidModel(
                "the tensor jumps: its potential has delta functions in this convention; "
                "give the isothermal force, or assemble the operator on a grid"
            )
        return find_potential(self.force, self.tensor, sp.S.Zero, self.variables)

    def latex(self) -> str:
        """The stochastic equation's drift and tensor as LaTeX, ready for an `aligned` display."""
        names = ", ".join(sp.latex(v) for v in self.variables)
        vector = rf"\left({names}\right)"
        return (
            r"\begin{aligned}"
            rf"A{vector} &= {sp.latex(sp.Matrix(self.drift))} \\ "
            rf"D{vector} &= {sp.latex(sp.Matrix(self.tensor))}"
            r"\end{aligned}"
        )

    def _one_dimensional(self) -> tuple[sp.MatrixBase, sp.MatrixBase, sp.Expr]:
        """Drift, tensor and the power of D: ``p = D^-(1-alpha) exp(int a/D)``, alpha = 0, 1/2, 1.

        No derivative of D occurs, so jumps are right in every convention.  (In one dimension the
        Stratonovich drift is ``A - D'/2`` for any number of Wiener processes.)
        """
        power = {
            "ito": sp.S.One,
            "stratonovich": sp.Rational(1, 2),
            "isothermal": sp.S.Zero,
        }[self.convention]
        return self.given, self.tensor, power * sp.log(self.tensor[0, 0])

    def _refuse_clip(self, what: str) -> None:
        if self.negative == "clip":
            raise InvalidModel(
                f"the tensor is clipped to its positive part numerically: {what} has no symbol"
            )


def _matched(matrix: sp.ImmutableMatrix, symbols: Sequence[sp.Symbol]) -> sp.ImmutableMatrix:
    return sp.ImmutableMatrix(matrix.applyfunc(lambda entry: match_names(entry, symbols)))
