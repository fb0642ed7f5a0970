"""From symbols to vectorised numbers: the one place where expressions are compiled for NumPy.

`lambdify` alone breaks on constant entries (a bare number comes back) and on matrices of mixed
entries (ragged arrays), so expressions are compiled as a flat list and broadcast one by one.
Averages over data are evaluated chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.definite import clip_negative, require_semidefinite
from fokkerplanck.errors import InvalidCoefficient, InvalidModel, UnboundSymbol
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.samples import Dataset, SampleMean

__all__ = ["Coefficients", "Points", "compile_expressions"]

Array = NDArray[np.float64]
Points = Sequence[Array]
Compiled = Callable[..., list[Any]]

# Cells times samples of one chunk: 2^17 doubles are 1 MB a temporary, which stays in the cache.
CHUNK = 2**17


def compile_expressions(
    expressions: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]
) -> Callable[..., Array]:
    """A function of one array a symbol that returns shape ``(len(expressions), *broadcast)``.

    Raises
    ------
    UnboundSymbol
        When an expression has a free symbol that is not among `symbols`.
    InvalidModel
        When an expression divides by zero, or a function in it has no numerical form.

    Examples
    --------
    >>> import numpy as np, sympy as sp
    >>> x, y = sp.symbols("x y")
    >>> compile_expressions([x * y, sp.Integer(2)], (x, y))(np.array([1.0, 3.0]), np.array(2.0))
    array([[2., 6.],
           [2., 2.]])
    """
    free = set().union(*(e.free_symbols for e in expressions)) if expressions else set()
    unbound = sorted(str(s) for s in free - set(symbols))
    if unbound:
        raise UnboundSymbol(
            f"no value for {', '.join(unbound)}; give numbers first: "
            f".subs({{{', '.join(f'{name}: ...' for name in unbound)}}})"
        )
    for expression in expressions:
        if expression.has(sp.zoo):
            raise InvalidModel(f"{expression} is infinite: something divides by zero")
    # NumPy joins the conditions of an And without broadcasting them.
    joined = any(e.atoms(sp.And, sp.Or) for e in expressions)
    nodes = _outermost_means(expressions)
    slots = [sp.Dummy(f"mean_{k}") for k in range(len(nodes))]
    outer = sp.lambdify(
        [*symbols, *slots],
        [e.xreplace(dict(zip(nodes, slots, strict=True))) for e in expressions],
        modules=["scipy", "numpy"],
        cse=True,
        # A docstring would print every expression once more, half of the time that this takes.
        docstring_limit=0,
    )
    means = _compile_means(nodes, symbols)

    def evaluate(*arguments: Any) -> Array:
        arrays = [np.asarray(a, dtype=np.float64) for a in arguments]
        shape = np.broadcast_shapes(*(a.shape for a in arrays)) if arrays else ()
        averages = means(arrays, shape)
        if joined:
            arrays = list(np.broadcast_arrays(*arrays))
        try:
            with np.errstate(all="ignore"):
                values = outer(*arrays, *averages)
        except NameError as error:
            raise InvalidModel(f"a function has no numerical form: {error}") from error
        result = np.empty((len(expressions), *shape))
        for k, value in enumerate(values):
            result[k] = _real(value)
        return result

    return evaluate


def _real(value: Any) -> Any:
    """NumPy's roots and logarithms of negative numbers are NaN, but SymPy may write complex."""
    array = np.asarray(value)
    if np.iscomplexobj(array):
        return np.where(array.imag == 0, array.real, np.nan)
    return array


def _outermost_means(expressions: Sequence[sp.Expr]) -> list[SampleMean]:
    found: dict[SampleMean, None] = {}
    for expression in expressions:
        walk = sp.preorder_traversal(expression)
        for node in walk:
            if isinstance(node, SampleMean):
                found[node] = None
                walk.skip()
    return list(found)


def _compile_means(
    nodes: Sequence[SampleMean], symbols: Sequence[sp.Symbol]
) -> Callable[[list[Array], tuple[int, ...]], list[Array]]:
    """Evaluate every mean over its data set, in chunks of points."""
    by_data: dict[Dataset, list[int]] = {}
    for k, node in enumerate(nodes):
        by_data.setdefault(node.data, []).append(k)
    groups = [
        (
            data,
            ks,
            compile_expressions([nodes[k].expression for k in ks], [*symbols, *data.symbols]),
        )
        for data, ks in by_data.items()
    ]

    def evaluate(arrays: list[Array], shape: tuple[int, ...]) -> list[Array]:
        results: list[Array] = [np.empty(0)] * len(nodes)
        flat = [np.broadcast_to(a, shape).reshape(-1, 1) for a in arrays]
        size = int(np.prod(shape))
        for data, ks, function in groups:
            columns = [data.table[np.newaxis, :, j] for j in range(data.table.shape[1])]
            out = np.empty((len(ks), size))
            step = max(1, CHUNK // data.size)
            for start in range(0, size, step):
                part = slice(start, start + step)
                out[:, part] = function(*(f[part] for f in flat), *columns).mean(axis=-1)
            for k, row in zip(ks, out, strict=True):
                results[k] = row.reshape(shape)
        return results

    return evaluate


@dataclass(frozen=True)
class Coefficients:
    """Drift, force and tensor of a `Diffusion` as functions of points.

    Points are one array an axis, broadcast against each other.  Every returned number is finite
    and every tensor positive semidefinite, or an error says where not.

    Raises
    ------
    UnboundSymbol, InvalidCoefficient, NotPositiveSemidefinite
    """

    diffusion: Diffusion
    time: float | None
    _given: Callable[..., Array]
    _tensor: Callable[..., Array]
    _to_drift: Callable[..., Array] | None
    _to_force: Callable[..., Array] | None

    @classmethod
    def compile(cls, diffusion: Diffusion, time: float | None = None) -> Coefficients:
        """Compile a diffusion whose parameters all have values, at one time."""
        if diffusion.time is not None and time is None:
            raise UnboundSymbol(
                f"the coefficients depend on the time {diffusion.time}; name one: time=..."
            )
        return cls(diffusion, time, *_compiled(diffusion))

    def _arguments(self, points: Points) -> list[Any]:
        if self.diffusion.time is None:
            return list(points)
        return [*points, np.asarray(self.time)]

    def given(self, points: Points) -> Array:
        """The vector that the diffusion was given, in its own convention; shape (d, ...)."""
        values = self._given(*self._arguments(points))
        names = [v.name for v in self.diffusion.variables]
        _require_finite(values, points, names, [f"the drift of {name}" for name in names])
        return values

    def tensor(self, points: Points) -> Array:
        """``D``, shape (d, d, ...), clipped where the diffusion says so."""
        values = self._tensor(*self._arguments(points))
        names = [v.name for v in self.diffusion.variables]
        n = len(names)
        pairs = list(combinations_with_replacement(range(n), 2))
        labels = [f"D[{names[i]}, {names[j]}]" for i, j in pairs] + ["the noise floor"]
        _require_finite(values, points, names, labels)
        tensor = np.empty((n, n, *values.shape[1:]))
        for k, (i, j) in enumerate(pairs):
            tensor[i, j] = tensor[j, i] = values[k]
        if self.diffusion.negative == "clip":
            return clip_negative(tensor, floor=values[-1])
        require_semidefinite(tensor, points, names)
        return tensor

    def drift(self, points: Points, spacing: Sequence[Any]) -> Array:
        """Itô drift ``A``, shape (d, ...).

        `spacing` is the step of the central differences that replace derivatives of a tensor that
        is clipped or bends; a smooth tensor is differentiated symbolically.
        """
        share = {"ito": 0.0, "stratonovich": 0.5, "isothermal": 1.0}
        return self._converted(points, spacing, self._to_drift, share, "drift")

    def force(self, points: Points, spacing: Sequence[Any]) -> Array:
        """Isothermal force ``F = A - div D``, shape (d, ...); `spacing` as for `drift`."""
        share = {"ito": -1.0, "stratonovich": -0.5, "isothermal": 0.0}
        return self._converted(points, spacing, self._to_force, share, "force")

    def _converted(
        self,
        points: Points,
        spacing: Sequence[Any],
        symbolic: Callable[..., Array] | None,
        share: dict[str, float],
        name: str,
    ) -> Array:
        given = self.given(points)
        convention = self.diffusion.convention
        if symbolic is not None:
            change = symbolic(*self._arguments(points))
            names = [v.name for v in self.diffusion.variables]
            _require_finite(change, points, names, [f"the {name} of {n}" for n in names])
            return given + change
        if share[convention] == 0.0:
            return given
        if convention == "stratonovich" and self.diffusion.dimension > 1:
            raise InvalidModel(
                "a Stratonovich tensor that jumps or bends has no unique drift in more than one "
                "dimension; give the Itô drift or the isothermal force"
            )
        return given + share[convention] * self._divergence(points, spacing)

    def _divergence(self, points: Points, spacing: Sequence[Any]) -> Array:
        """``div D`` by central differences over one step."""
        total: Any = 0.0
        for axis, h in enumerate(spacing):
            moved = [list(points), list(points)]
            for side, sign in zip(moved, (0.5, -0.5), strict=True):
                side[axis] = points[axis] + sign * h
            total = total + (self.tensor(moved[0])[:, axis] - self.tensor(moved[1])[:, axis]) / h
        return np.asarray(total)


# Coefficients that depend on time are wanted at many times of the same diffusion.
@lru_cache(maxsize=4)
def _compiled(
    diffusion: Diffusion,
) -> tuple[
    Callable[..., Array],
    Callable[..., Array],
    Callable[..., Array] | None,
    Callable[..., Array] | None,
]:
    """The vector given, tensor and floor, and what to add to the first for drift and force."""
    symbols = diffusion.variables
    if diffusion.time is not None:
        symbols = (*symbols, diffusion.time)
    n = diffusion.dimension
    entries = [diffusion.tensor[i, j] for i, j in combinations_with_replacement(range(n), 2)]
    to_drift = to_force = None
    if diffusion.negative == "refuse" and not diffusion.jumps:
        given = sp.Matrix(diffusion.given)
        to_drift = compile_expressions(list(sp.Matrix(diffusion.drift) - given), symbols)
        to_force = compile_expressions(list(sp.Matrix(diffusion.force) - given), symbols)
    return (
        compile_expressions(list(diffusion.given), symbols),
        compile_expressions([*entries, diffusion.floor], symbols),
        to_drift,
        to_force,
    )


def _require_finite(
    values: Array, points: Points, names: Sequence[str], labels: Sequence[str]
) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    which, *where = (int(i) for i in np.argwhere(bad)[0])
    coordinates = [float(np.broadcast_to(p, values.shape[1:])[tuple(where)]) for p in points]
    place = ", ".join(f"{c:.6g}" for c in coordinates)
    raise InvalidCoefficient(
        f"{labels[which]} is {values[(which, *where)]} at ({', '.join(names)}) = ({place}), "
        f"and not finite in {int(bad.any(axis=0).sum())} of {bad[0].size} points; "
        "move the domain away from the singularity or change the formula"
    )
