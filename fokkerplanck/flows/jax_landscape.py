"""A JAX loss of a pytree, known by its gradients and Hessian-vector products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import FokkerPlanckError, InvalidModel
from fokkerplanck.flows.complementarity import as_vector
from fokkerplanck.flows.eigenpairs import top_eigenpairs

__all__ = ["JaxLandscape", "jax_landscape"]

Array = NDArray[np.float64]

# Cost in gradients: a forward derivative of a program costs about as much as the program again.
GRADIENTS = {"gradient": 1, "product": 2, "bend": 4}
# Residual of an eigenvector of which the eigenvalue alone is asked for, in roots of the tolerance:
# the eigenvalue is off by the square over the gap behind it.
VALUE_ONLY = 0.1
# Above this tolerance the largest curvature sets the steps of either method, by stability, of which
# the one of order 3 has more an evaluation: 2.5/3 against 3.3/6.
STABLE = 1e-6
# Points at once: rounded up to a multiple, so that few shapes are compiled.
LANES = 3


@dataclass(eq=False)
class JaxLandscape:
    """Derivatives of a loss of many parameters, in double precision.

    Points are vectors of all parameters, shape (d,) or (d, n).  No Hessian is ever filled, unless
    there are fewer parameters than a few blocks of eigenvectors.

    Attributes
    ----------
    compiled : dict
        Functions of `compile_loss`.
    names : tuple of str
    tolerance : float
        Relative error of the integrator, and residual of eigenvectors.
    counts : Counter
        Calls by kind, those of `value` and `sharpness` left out: they serve no flow.
    """

    compiled: dict[str, Callable[..., Any]]
    names: tuple[str, ...]
    tolerance: float = 1e-4
    counts: Counter[str] = field(default_factory=Counter)
    _last: dict[str, Any] = field(default_factory=dict, init=False)

    @property
    def integrator(self) -> Literal["RK23", "RK45"]:
        """Explicit, for a stiff method would fill a Jacobian of d x d."""
        return "RK23" if self.tolerance > STABLE else "RK45"

    def _call(self, name: str, *arguments: Array) -> Array:
        with double_precision():
            return np.asarray(self.compiled[name](*arguments), dtype=np.float64)

    def _lanes(self, name: str, which: int, *arguments: Array) -> Array:
        """A call whose argument `which` has columns, filled up with copies of the first."""
        columns = arguments[which]
        count = columns.shape[1]
        missing = -count % LANES if count > 2 else 0
        filled = np.concatenate([columns, np.repeat(columns[:, :1], missing, axis=1)], axis=1)
        chosen = [filled if k == which else a for k, a in enumerate(arguments)]
        return self._call(name, *chosen)[:, :count]

    def value(self, points: Array) -> Array:
        """``L``, at the columns of (d, n) or at one point."""
        if points.ndim == 1:
            return self._call("loss", points)
        return np.array([self._call("loss", point) for point in points.T])

    def gradient(self, points: Array) -> Array:
        """``grad L``, at the columns of (d, n) or at one point."""
        count = 1 if points.ndim == 1 else points.shape[1]
        self.counts["gradient"] += count
        if points.ndim == 1:
            return self._call("gradient", points)
        return self._lanes("gradients", 0, points)

    def products(self, points: Array, vector: Array) -> Array:
        """``H v`` of one vector at the columns of (d, n)."""
        self.counts["product"] += points.shape[1]
        return self._lanes("products", 0, points, vector)

    def block(self, point: Array, vectors: Array) -> Array:
        """``H V`` of the columns of V, at one point."""
        self.counts["product"] += vectors.shape[1]
        return self._lanes("block", 1, point, vectors)

    def bend(self, point: Array, first: Array, second: Array) -> Array:
        """``L'''[u, v]``, a vector."""
        self.counts["bend"] += 1
        return self._call("bend", point, first, second)

    def along_gradient(self, point: Array) -> tuple[Array, Array, Array, Array]:
        """``g``, ``H g``, ``H^2 g`` and ``L'''[g, g]``."""
        slope = self.gradient(point)
        bent = self.block(point, slope[:, None])
        return (
            slope,
            bent[:, 0],
            self.block(point, bent)[:, 0],
            self.bend(point, slope, slope),
        )

    def top(self, point: Array, count: int) -> tuple[Array, Array]:
        """The `count` largest curvatures, largest first, and their directions (d, count)."""
        last = self._last
        if not (last and len(last["values"]) >= count and np.array_equal(last["point"], point)):
            values, vectors = top_eigenpairs(
                lambda block: self.block(point, block),
                point.size,
                count,
                # Errors of the directions count like those of the integrator.
                tolerance=self.tolerance,
                start=last.get("vectors"),
            )
            last.update(point=np.array(point), values=values, vectors=vectors)
        return last["values"][:count], last["vectors"][:, :count]

    def critical(self, point: Array, number: int) -> tuple[Array, Array, Array, Array]:
        """Gradient, the first `number` curvatures, their directions, the block's derivative.

        The derivative ``d(u_i . H u_j)/dw`` has shape (d, number (number + 1)/2), pairs as in
        `as_vector`.
        """
        # One more than held: whether the next one reaches the edge is asked at the same points.
        values, vectors = self.top(point, min(number + 1, point.size))
        derivative = np.empty((point.size, number, number))
        for i, j in zip(*np.triu_indices(number), strict=True):
            derivative[:, i, j] = derivative[:, j, i] = self.bend(
                point, vectors[:, i], vectors[:, j]
            )
        return self.gradient(point), values[:number], vectors[:, :number], as_vector(derivative)

    def sharpness(self, points: Array) -> Array:
        """Largest curvature at the columns of (d, n), shape (n,); not counted."""
        judge = replace(self, counts=Counter(), tolerance=VALUE_ONLY * np.sqrt(self.tolerance))
        return np.array([judge.top(point, 1)[0][0] for point in points.T])

    def derivatives(self, point: Array) -> dict[str, Array]:
        """Loss and gradient by name."""
        found = {"loss": self.value(point), "gradient": self.gradient(point)}
        self.counts.clear()
        return found

    def probes(self, points: Array) -> Array:
        """Nothing but the loss tells whether derivatives exist, shape (0, n)."""
        return np.empty((0, points.shape[1]))

    def cost(self, steps: int) -> dict[str, Any]:
        """Evaluations by kind, and a step's cost in gradients, see `GRADIENTS`."""
        total = sum(GRADIENTS[kind] * count for kind, count in self.counts.items())
        return {f"{kind}s": count for kind, count in self.counts.items()} | {
            "gradients_per_step": total / (steps + 1)
        }

    def place(self, point: Array) -> str:
        """``(0.1, -0.2, 0.3, ...), 5000 parameters of norm 3.2``."""
        shown = ", ".join(f"{number:.3g}" for number in point[:3])
        return f"({shown}, ...), {point.size} parameters of norm {np.linalg.norm(point):.6g}"


def compile_loss(loss: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """Derivatives of a loss of a vector, alone and at several columns, by name."""
    jax = require_jax()
    slope = jax.grad(loss)

    def product(point: Any, vector: Any) -> Any:
        return jax.jvp(slope, (point,), (vector,))[1]

    def bend(point: Any, first: Any, second: Any) -> Any:
        return jax.jvp(lambda w: product(w, second), (point,), (first,))[1]

    derivatives = {
        "loss": loss,
        "gradient": slope,
        "gradients": jax.vmap(slope, 1, 1),
        "block": jax.vmap(product, (None, 1), 1),
        "products": jax.vmap(product, (1, None), 1),
        "bend": bend,
    }
    return {name: jax.jit(function) for name, function in derivatives.items()}


def jax_landscape(loss: Any, start: Any) -> tuple[JaxLandscape, Array]:
    """The landscape of a loss of a pytree, and the start as a vector.

    Raises
    ------
    ImportError
        When JAX is not installed.
    InvalidModel
        When the loss is no function, or does not return one double-precision number.
    FokkerPlanckError
        When the start is not made of finite real numbers.
    """
    if not callable(loss):
        raise InvalidModel(
            "without variables the loss is a JAX function of the start's pytree, not "
            f"{type(loss).__name__}; give the variables of a symbolic loss"
        )
    jax = require_jax()
    from jax.flatten_util import ravel_pytree

    with double_precision():
        try:
            leaves = jax.tree_util.tree_map(_as_double, start)
        except (TypeError, ValueError) as error:
            raise FokkerPlanckError(f"the start is not made of real numbers: {error}") from error
        vector, restore = ravel_pytree(leaves)
        point = np.array(vector, dtype=np.float64)
        if point.size == 0 or not np.isfinite(point).all():
            raise FokkerPlanckError("the start is empty or not finite")
        result = jax.eval_shape(lambda w: loss(restore(w)), vector)
        if getattr(result, "shape", None) != () or result.dtype != np.float64:
            raise InvalidModel(
                f"the loss returns {result}, not one number of double precision; average over the "
                "examples, and cast nothing to lower precision"
            )
    paths = jax.tree_util.tree_flatten_with_path(leaves)[0]
    names = tuple(
        f"{jax.tree_util.keystr(path)}{list(map(int, index)) if index else ''}"
        for path, leaf in paths
        for index in np.ndindex(np.shape(leaf))
    )
    return JaxLandscape(compile_loss(lambda w: loss(restore(w))), names), point


def _as_double(leaf: Any) -> Any:
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"an array of {array.dtype}")
    return array.astype(np.float64)


def double_precision() -> Any:
    """JAX's context in which arrays are of double precision; its settings stay as they were."""
    jax = require_jax()
    try:
        from jax.experimental import enable_x64
    except ImportError:  # JAX 0.8 and later
        return jax.enable_x64(True)
    return enable_x64()


def require_jax() -> Any:
    """The module jax.

    Raises
    ------
    ImportError
    """
    try:
        import jax
    except ImportError as error:
        raise ImportError(
            "flows of a function need JAX: pip install 'fokkerplanck[networks]'"
        ) from error
    return jax
