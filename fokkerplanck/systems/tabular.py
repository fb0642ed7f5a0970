"""Classifiers of real tables, as losses of one sample: logistic regression and a small network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.errors import InvalidData, InvalidModel
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD

__all__ = ["Classifier", "load_table"]

Array = NDArray[np.float64]


def load_table(
    name: Literal["breast_cancer", "wine"] = "breast_cancer", columns: Any = None
) -> tuple[Array, Array]:
    """Standardised columns and labels -1, 1 of a table that comes with scikit-learn.

    Parameters
    ----------
    name : {"breast_cancer", "wine"}
        569 tumours, 30 columns, malignant or benign; 178 wines, 13 columns, the first cultivar or
        another.
    columns : sequence of int, optional
        All by default.

    Returns
    -------
    inputs : (samples, columns), of mean 0 and variance 1
    labels : (samples,)

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    InvalidData
        When the name is unknown.

    Examples
    --------
    >>> inputs, labels = load_table(columns=[0, 1])
    >>> inputs.shape, int((labels > 0).sum())
    ((569, 2), 357)
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "the tables come with scikit-learn (try: pip install 'fokkerplanck[networks]'); or "
            "give Classifier your own inputs and labels"
        ) from error
    loaders = {"breast_cancer": datasets.load_breast_cancer, "wine": datasets.load_wine}
    if name not in loaders:
        raise InvalidData(f"the table is one of {sorted(loaders)}, not {name!r}")
    table, classes = loaders[name](return_X_y=True)
    positive = classes == 1 if name == "breast_cancer" else classes == 0
    chosen = np.asarray(table[:, slice(None) if columns is None else list(columns)], float)
    return (chosen - chosen.mean(axis=0)) / chosen.std(axis=0), np.where(positive, 1.0, -1.0)


@dataclass(frozen=True)
class Classifier:
    r"""Two classes by a linear function of the inputs, or by tanh units and a linear one of them.

    One sample has the loss ``log(1 + exp(-z F(sqrt(k) theta; x))) + (decay/2) k |theta|^2``, z = -1
    or 1.  Without hidden units ``F = sum_j theta_j x_j``; with them ``F = sum_i v_i tanh(sum_j w_ij
    x_j + b_i) + c``.

    Parameters
    ----------
    inputs : array, shape (samples, columns)
    labels : array, shape (samples,), of -1 and 1
    hidden : int
        Number of tanh units; 0 for logistic regression.
    decay : number or symbol
        Weight decay.
    scale : number or symbol
        ``k``, by which the Hessian is multiplied while the losses stay the same.

    Raises
    ------
    InvalidData
        When the labels are not -1 and 1, or the shapes do not fit.
    InvalidModel
        When `hidden` is no count.

    Examples
    --------
    >>> inputs, labels = [[0.0, 1.0], [1.0, -1.0]], [1, -1]
    >>> Classifier(inputs, labels).variables
    (theta_1, theta_2)
    >>> len(Classifier(inputs, labels, hidden=3).variables)
    13
    """

    inputs: Any
    labels: Any
    hidden: int = 0
    decay: Any = 0
    scale: Any = 1

    def __post_init__(self) -> None:
        inputs, labels = np.array(self.inputs, float), np.array(self.labels, float)
        if inputs.ndim != 2 or labels.shape != inputs.shape[:1]:
            raise InvalidData(
                f"inputs have shape (samples, columns), labels (samples,), not {inputs.shape} and "
                f"{labels.shape}"
            )
        if not np.isin(labels, (-1.0, 1.0)).all():
            raise InvalidData(f"labels are -1 or 1, not {np.unique(labels)[:5]}")
        if not (isinstance(self.hidden, int) and self.hidden >= 0):
            raise InvalidModel(f"hidden is a number of units, not {self.hidden!r}")
        for name, array in (("inputs", inputs), ("labels", labels)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        for name in ("decay", "scale"):
            object.__setattr__(self, name, sp.sympify(getattr(self, name)))

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """Weights: for a network ``w_ij`` unit by unit, then ``b_i``, ``v_i`` and ``c``."""
        columns, units = self.inputs.shape[1], self.hidden
        count = columns if units == 0 else units * (columns + 2) + 1
        return tuple(sp.symbols(f"theta_1:{count + 1}", real=True))

    @property
    def data(self) -> dict[sp.Symbol, Array]:
        """Columns ``x_j`` and labels ``z``."""
        symbols = sp.symbols(f"x_1:{self.inputs.shape[1] + 1}", real=True)
        columns = dict(zip(symbols, self.inputs.T, strict=True))
        return {**columns, sp.Symbol("z", real=True): self.labels}

    @property
    def sample_loss(self) -> sp.Expr:
        """Loss of one sample."""
        *inputs, label = self.data
        weights = [sp.sqrt(self.scale) * v for v in self.variables]
        function = _linear(weights, inputs)
        if self.hidden:
            n, units = len(inputs), self.hidden
            biases, heads = weights[n * units : (n + 1) * units], weights[(n + 1) * units : -1]
            rows = [weights[i * n : (i + 1) * n] for i in range(units)]
            levels = [
                sp.tanh(_linear(row, inputs) + b) for row, b in zip(rows, biases, strict=True)
            ]
            function = _linear(heads, levels) + weights[-1]
        penalty = self.decay / 2 * sum(w**2 for w in weights)
        return sp.log(1 + sp.exp(-label * function)) + penalty

    def optimizer(self, learning_rate: Any, batch_size: Any = 1) -> SGD:
        """SGD on real minibatches, drawn with replacement."""
        noise = PerSample(self.sample_loss, self.data)
        return SGD(
            self.sample_loss,
            self.variables,
            noise,
            learning_rate=learning_rate,
            batch_size=batch_size,
        )


def _linear(weights: Any, inputs: Any) -> sp.Expr:
    return sum((w * x for w, x in zip(weights, inputs, strict=False)), sp.S.Zero)
