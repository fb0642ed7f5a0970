"""One number at several learning rates, from discrete SGD and from its diffusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.results.field import read_only

__all__ = ["Comparison"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` returns; prints as a table.

    Attributes
    ----------
    learning_rates : (k,) increasing
    exact : (k,)
        By the one-step operator.
    diffusion : (orders, k)
        By the modified equations of order 1, 2, as far as asked for.
    sampled, standard_error : (k,) or None
        By runs of SGD.
    """

    learning_rates: Array
    exact: Array
    diffusion: Array
    sampled: Array | None = None
    standard_error: Array | None = None

    def __post_init__(self) -> None:
        for name in ("learning_rates", "exact", "diffusion", "sampled", "standard_error"):
            if getattr(self, name) is not None:
                values = np.asarray(getattr(self, name), dtype=float)
                object.__setattr__(self, name, read_only(values, values.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        fields = (self.learning_rates, self.exact, self.diffusion, self.sampled)
        return Comparison, (*fields, self.standard_error)

    @property
    def errors(self) -> Array:
        """Relative errors of the diffusions, (orders, k)."""
        return np.asarray(self.diffusion / self.exact - 1.0)

    @property
    def slopes(self) -> Array:
        """Slopes of ``log |error|`` in ``log eta`` between neighbours, (orders, k - 1).

        Where an error changes its sign a slope means nothing.
        """
        with np.errstate(divide="ignore"):
            logarithm = np.log(np.abs(self.errors))
        return np.asarray(np.diff(logarithm, axis=1) / np.diff(np.log(self.learning_rates)))

    @property
    def deviations(self) -> Array | None:
        """Distance of the runs from the one-step operator in standard errors, (k,)."""
        if self.sampled is None or self.standard_error is None:
            return None
        return np.asarray((self.sampled - self.exact) / self.standard_error)

    def __str__(self) -> str:
        heads = ["eta", "exact", *(f"order {k + 1}" for k in range(len(self.diffusion)))]
        columns = [self.learning_rates, self.exact, *self.diffusion]
        if self.sampled is not None and self.standard_error is not None:
            heads += ["sampled", "s.e."]
            columns += [self.sampled, self.standard_error]
        lines = ["".join(f"{head:>13}" for head in heads)]
        lines += ["".join(f"{value:13.6g}" for value in row) for row in np.transpose(columns)]
        return "\n".join(lines)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Relative errors against the learning rate, on logarithmic axes; returns the lines."""
        from fokkerplanck.plot.comparison import plot_errors

        return plot_errors(self.learning_rates, self.errors, ax, options)
