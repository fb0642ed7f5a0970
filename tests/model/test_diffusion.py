"""Diffusions: conventions against cases worked by hand, names, substitution, values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.diffusion import Diffusion

x, y, z, t = sp.symbols("x y z t", real=True)
k, T = sp.symbols("k T", positive=True)


def equal(left: Any, right: Any) -> bool:
    return sp.simplify(sp.Matrix(left) - sp.Matrix(right)).is_zero_matrix


# Conventions ---------------------------------------------------------------------------------


def test_stratonovich_in_one_dimension() -> None:
    # dx = -x dt + sqrt(2) x o dW has the Itô drift -x + x, and the isothermal force -x - x.
    diffusion = Diffusion.from_stratonovich((x,), [-x], [[sp.sqrt(2) * x]])
    assert equal(diffusion.tensor, [[x**2]])
    assert equal(diffusion.drift, [0])
    assert equal(diffusion.force, [-2 * x])


def test_stratonovich_keeps_rotations_on_the_circle() -> None:
    # o dW around the circle: Itô drift -r/2, so that d(x^2 + y^2) = 0.
    diffusion = Diffusion.from_stratonovich((x, y), [0, 0], [[-y], [x]])
    assert equal(diffusion.drift, [-x / 2, -y / 2])
    assert equal(diffusion.tensor, [[y**2 / 2, -x * y / 2], [-x * y / 2, x**2 / 2]])
    radius = x**2 + y**2
    growth = sum(
        diffusion.drift[i] * sp.diff(radius, v)
        + sum(diffusion.tensor[i, j] * sp.diff(radius, v, w) for j, w in enumerate((x, y)))
        for i, v in enumerate((x, y))
    )
    assert sp.simplify(growth) == 0


def test_stratonovich_with_several_sources_per_variable() -> None:
    # Sum over both columns: (x/2)(1) for column 1, (y d_y y)/2 for column 2 in the row of y.
    diffusion = Diffusion.from_stratonovich((x, y), [0, 0], [[x, 1], [0, y]])
    assert equal(diffusion.drift, [x / 2, y / 2])
    assert equal(diffusion.tensor, [[(x**2 + 1) / 2, y / 2], [y / 2, y**2 / 2]])


def test_isothermal_drift_is_force_plus_divergence_of_rows() -> None:
    tensor = [[x * y, z, 0], [z, 1 + y**2, x * y], [0, x * y, sp.exp(z)]]
    diffusion = Diffusion.from_isothermal((x, y, z), [1, 2, 3], tensor)
    # Row sums d_j D_ij: y + 0 + 0; 0 + 2y + 0; 0 + x + e^z.
    assert equal(diffusion.drift, [1 + y, 2 + 2 * y, 3 + x + sp.exp(z)])
    assert equal(diffusion.force, [1, 2, 3])
    ito = Diffusion((x, y, z), diffusion.drift, tensor)
    assert equal(ito.force, [1, 2, 3])


def test_given_form_survives() -> None:
    diffusion = Diffusion.from_isothermal((x,), [-x], [[sp.Piecewise((1, x < 0), (2, True))]])
    assert diffusion.convention == "isothermal"
    assert diffusion.given == sp.ImmutableMatrix([-x])
    assert diffusion.jumps


# Names and arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [{}, {"real": True}, {"positive": True}])
def test_symbols_match_by_name(declared: dict[str, bool]) -> None:
    other = sp.Symbol("x", **declared)
    diffusion = Diffusion((x,), [-k * other], [[1 + other**2]], floor=other)
    assert diffusion.parameters == (k,)
    assert equal(diffusion.force, [-k * x - 2 * x])


def test_modulus_of_a_complex_symbol_is_differentiated_as_real() -> None:
    w = sp.Symbol("w")
    diffusion = Diffusion((w,), [0], [[sp.Abs(w) ** 3]])
    slope = diffusion.force[0]
    assert not slope.has(sp.re, sp.im, sp.Derivative)
    assert slope.subs(w, -2) == 12


def test_second_derivatives_hold_no_delta() -> None:
    matrix = Diffusion.from_stratonovich((x,), [0], [[sp.Max(x, 0) * sp.sign(x)]]).drift
    assert not matrix.has(sp.DiracDelta)


@pytest.mark.parametrize(
    ("drift", "tensor"),
    [
        ([1, 2.5], [[1, 0], [0, 2]]),
        (np.array([1, 2.5]), np.array([[1.0, 0.0], [0.0, 2.0]])),
        (sp.Matrix([[1, 2.5]]), sp.diag(1, 2)),
        ((1, 2.5), ((1, 0), (0, 2))),
        ([[1], [2.5]], sp.ImmutableMatrix([[1, 0], [0, 2]])),
    ],
)
def test_any_nested_sequence_will_do(drift: Any, tensor: Any) -> None:
    diffusion = Diffusion((x, y), drift, tensor)
    assert diffusion.drift.shape == (2, 1)
    assert np.allclose(np.array(diffusion.drift, float).ravel(), [1, 2.5])
    assert np.allclose(np.array(diffusion.tensor, float), np.diag([1, 2]))


def test_bare_numbers_in_one_dimension() -> None:
    assert Diffusion(x, -x, 2) == Diffusion((x,), [-x], [[2]])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Diffusion((), [], []), "one or more"),
        (lambda: Diffusion(("x",), [1], [[1]]), "symbols"),
        (lambda: Diffusion((x, sp.Symbol("x")), [1, 1], sp.eye(2)), "share a name"),
        (lambda: Diffusion((x, y), [1], sp.eye(2)), r"drift has shape \(1, 1\)"),
        (lambda: Diffusion((x, y), [1, 2, 3, 4], sp.eye(2)), "one entry for each of the 2"),
        (lambda: Diffusion((x, y), [1, 2], sp.eye(3)), r"needs \(2, 2\)"),
        (lambda: Diffusion((x, y), [1, 2], [[1, 2], [3, 4]]), "not symmetric"),
        (lambda: Diffusion((x, y), [1, 2], [[1, 0.1], [0.1 + 1e-9, 4]]), "not symmetric"),
        (lambda: Diffusion((x,), [None], [[1]]), "no expression"),
        (lambda: Diffusion((x,), [x > 0], [[1]]), "no expression"),
        (lambda: Diffusion((x,), [sp.Function("f")(x)], [[1]]), "undefined function"),
        (lambda: Diffusion((x,), ["a b"], [[1]]), "not a vector"),
        (lambda: Diffusion((x,), [1], [[1]], time=sp.Symbol("x")), "time and a variable"),
        (lambda: Diffusion((x,), [1], [[1]], negative="drop"), "refuse"),  # type: ignore[arg-type]
        (lambda: Diffusion.from_stratonovich((x, y), [1, 2], [[1, 2]]), "1 rows for 2"),
    ],
)
def test_malformed_models_are_refused(build: Any, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        build()


def test_rounding_in_mirrored_entries_is_no_asymmetry() -> None:
    assert Diffusion((x, y), [1, 2], [[1, 0.1 + 0.2], [0.3, 4]]).dimension == 2
    expanded = [[1, (x + 1) ** 2], [x**2 + 2 * x + 1, 4 * (x + 1) ** 4]]
    assert Diffusion((x, y), [1, 2], expanded).dimension == 2


# Parameters and substitution -------------------------------------------------------------------


def test_parameters_are_sorted_and_free_of_coordinates() -> None:
    a, b = sp.symbols("b a")
    diffusion = Diffusion((x,), [-a * x * sp.cos(t)], [[b]], time=t, floor=T)
    assert [p.name for p in diffusion.parameters] == ["T", "a", "b"]
    assert Diffusion.from_stratonovich((x,), [0], [[k]]).parameters == (k,)


@pytest.mark.parametrize("key", [k, "k", sp.Symbol("k")])
def test_substitution_by_symbol_and_by_name(key: Any) -> None:
    diffusion = Diffusion((x,), [-k * x], [[k * T]], floor=k, negative="clip")
    changed = diffusion.subs({key: 3})
    assert changed.parameters == (T,)
    assert changed.given[0] == -3 * x
    assert changed.tensor[0, 0] == 3 * T
    assert changed.floor == 3
    assert changed.negative == "clip"
    assert diffusion.parameters == (T, k)


def test_substitution_keeps_the_convention() -> None:
    diffusion = Diffusion.from_stratonovich((x,), [-k * x], [[T * x]]).subs({T: 2, k: 1})
    assert diffusion.parameters == ()
    assert equal(diffusion.drift, [-x + 2 * x])


def test_substituted_values_match_by_name() -> None:
    changed = Diffusion((x,), [-k * x], [[1]]).subs({k: sp.Symbol("x") ** 2})
    assert changed.parameters == ()
    assert changed.drift[0] == -(x**3)


@pytest.mark.parametrize("key", [x, "x", sp.Symbol("x"), t, "t"])
def test_coordinates_and_time_are_not_substituted(key: Any) -> None:
    diffusion = Diffusion((x,), [-x * sp.cos(t)], [[1]], time=t)
    with pytest.raises(InvalidModel, match="coordinates"):
        diffusion.subs({key: 1})


def test_substitution_takes_symbols_only() -> None:
    with pytest.raises(InvalidModel, match="symbols or their names"):
        Diffusion((x,), [-k * x], [[1]]).subs({k * x: 1})
    assert Diffusion((x,), [-k * x], [[1]]).subs({"unknown": 1}).parameters == (k,)


def test_time_matches_by_name() -> None:
    diffusion = Diffusion((x,), [sp.Symbol("t", positive=True) * k], [[1]], time=t)
    assert diffusion.parameters == (k,)
    assert t in diffusion.drift.free_symbols


# Values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "diffusion",
    [
        Diffusion((x, y), [-x, y * k], [[1, 0], [0, T]], time=t, negative="clip", floor=1),
        Diffusion.from_isothermal((x,), [-x], [[1 + x**2]]),
        Diffusion.from_stratonovich((x,), [-x], [[x, k]]),
    ],
)
def test_copies_are_equal(diffusion: Diffusion) -> None:
    for twin in (pickle.loads(pickle.dumps(diffusion)), copy.deepcopy(diffusion)):
        assert twin == diffusion
        assert hash(twin) == hash(diffusion)
        assert twin.drift == diffusion.drift if diffusion.negative == "refuse" else True
    assert diffusion != Diffusion((x,), [-x], [[1 + x**2]])


def test_the_form_is_part_of_the_value() -> None:
    ito = Diffusion((x,), [-x], [[1 + x**2]])
    isothermal = Diffusion.from_isothermal((x,), [-x], [[1 + x**2]])
    assert ito != isothermal


def test_fields_are_closed() -> None:
    diffusion = Diffusion((x,), [-x], [[1]])
    with pytest.raises(AttributeError):
        diffusion.tensor = sp.eye(1)  # type: ignore[misc]
    with pytest.raises(TypeError):
        diffusion.tensor[0, 0] = 5
    matrix = sp.Matrix([[k]])
    made = Diffusion((x,), [-x], matrix)
    matrix[0, 0] = 7
    assert made.tensor[0, 0] == k


def test_latex_shows_drift_and_tensor() -> None:
    text = Diffusion.from_isothermal((x, y), [-k * x, 0], sp.diag(x**2, 1)).latex()
    assert text.startswith(r"\begin{aligned}")
    assert text.endswith(r"\end{aligned}")
    # The Itô drift: force and divergence.
    assert r"A\left(x, y\right) &= \left[\begin{matrix}- k x + 2 x\\0\end{matrix}\right]" in text
    assert r"D\left(x, y\right) &= \left[\begin{matrix}x^{2} & 0\\0 & 1\end{matrix}\right]" in text
    assert text.count("{") == text.count("}")


def test_a_clipped_tensor_has_no_symbolic_force() -> None:
    for build in (Diffusion, Diffusion.from_isothermal):
        clipped = build((x,), [-x], [[x]], negative="clip")
        with pytest.raises(InvalidModel, match="clipped"):
            clipped.potential()
    with pytest.raises(InvalidModel, match="clipped"):
        _ = Diffusion((x,), [-x], [[x]], negative="clip").force
    with pytest.raises(InvalidModel, match="clipped"):
        _ = Diffusion.from_isothermal((x,), [-x], [[x]], negative="clip").drift
