"""Compiled expressions against SymPy's own arithmetic; the cache of generated modules."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from fokkerplanck.discretize import kernel_cache
from fokkerplanck.discretize.kernels import LANES, compile_kernel
from fokkerplanck.errors import InvalidModel, UnboundSymbol
from fokkerplanck.model.samples import Dataset, SampleMean

x, y, t = sp.symbols("x y t", real=True)


@njit
def call(function, x, parameters, data, out, lanes):  # type: ignore[no-untyped-def]
    function(x, 0.0, parameters, data, out, lanes)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOKKERPLANCK_CACHE", str(tmp_path))


def reference(expression: sp.Expr, point: dict[sp.Symbol, float]) -> float:
    exact = {symbol: sp.Rational(value) for symbol, value in point.items()}
    return float(sp.N(expression.subs(exact), 30))


# Random trees over operations that stay bounded, so that errors stay near rounding.
leaves = st.sampled_from([x, y, sp.Rational(1, 3), sp.Float(0.7), sp.Float(-1.25), sp.Integer(2)])


def grow(children: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
    unary = st.sampled_from(
        [
            sp.sin,
            sp.tanh,
            sp.erf,
            sp.Abs,
            sp.sign,
            sp.atan,
            lambda z: z**2,
            lambda z: z**3,
            lambda z: 1 / (1 + z**2),
            lambda z: (1 + z**2) ** sp.Rational(-3, 2),
            lambda z: sp.sqrt(1 + z**2),
            lambda z: sp.exp(-(z**2)),
            lambda z: sp.Heaviside(z),
        ]
    )
    binary = st.sampled_from(
        [
            lambda a, b: a + b,
            lambda a, b: a * b,
            lambda a, b: a - 2 * b,
            sp.Max,
            sp.Min,
            lambda a, b: sp.Piecewise((a, a < b), (b**2, sp.And(b < 1, a > -2)), (b, True)),
        ]
    )
    return st.one_of(
        st.builds(lambda f, a: f(a), unary, children),
        st.builds(lambda f, a, b: f(a, b), binary, children, children),
    )


@settings(max_examples=12)
@given(st.lists(st.recursive(leaves, grow, max_leaves=6), min_size=8, max_size=8))
def test_random_expressions(expressions: list[sp.Expr]) -> None:
    kernel = compile_kernel(expressions, (x, y))
    # Points without short binary fractions: no comparison of the tree is a tie.
    for point in ([0.3717, -1.2191], [-0.5413, 0.8123], [1.7331, 0.2719]):
        exact = [reference(e, dict(zip((x, y), point, strict=True))) for e in expressions]
        np.testing.assert_allclose(kernel(point), exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("expression", "point", "value"),
    [
        (sp.sign(x), 0.0, 0.0),
        (sp.Heaviside(x), 0.0, 0.5),
        (sp.Heaviside(x, 1), 0.0, 1.0),
        (sp.Piecewise((1, x < 0), (2, x > 0)), 0.0, np.nan),
        (sp.floor(x) + sp.ceiling(x), -1.5, -3.0),
        (sp.floor(x), 1e300, 1e300),
        (sp.coth(x) * sp.tanh(x), 0.7, 1.0),
        (sp.sec(x) * sp.cos(x), 0.7, 1.0),
        (x**-2, 0.5, 4.0),
        (x ** sp.Rational(-1, 2), 0.25, 2.0),
        (x ** sp.Rational(5, 2), 4.0, 32.0),
        (x**2.0, -3.0, 9.0),
        (x**-1.5, 0.25, 8.0),
        (x**0.3, 2.0, 2**0.3),
        ((x**2.0 + 1) ** 1.5 * (x**2.0 + 1) ** -1.5, -3.0, 1.0),
        (1 / x, 0.0, np.inf),
        (sp.log(x), -1.0, np.nan),
        (sp.pi * x + sp.E, 1.0, np.pi + np.e),
        (sp.Integer(10) ** 30 * x, 1.0, 1e30),
        (sp.atan2(x, -1), 0.0, np.pi),
        (sp.Mod(x, 2), -0.5, 1.5),
    ],
)
def test_single_values(expression: sp.Expr, point: float, value: float) -> None:
    np.testing.assert_allclose(compile_kernel([expression], (x,))([point]), [value], rtol=1e-14)


def test_symbols_match_by_name_and_time_is_passed() -> None:
    kernel = compile_kernel([sp.Symbol("x") * t, sp.Symbol("t") + y], (x, y), time=t)
    np.testing.assert_array_equal(kernel([2.0, 5.0], 3.0), [6.0, 8.0])


def test_lanes_are_independent() -> None:
    kernel = compile_kernel([x * y, x - y], (x, y))
    points = np.arange(2 * LANES, dtype=float)
    out = np.full(2 * LANES, np.nan)
    call(kernel.coefficients, points, kernel.parameters, kernel.data, out, 5)
    a, b = points.reshape(2, LANES)[:, :5]
    np.testing.assert_array_equal(out.reshape(2, LANES)[:, :5], [a * b, a - b])
    assert np.isnan(out.reshape(2, LANES)[:, 5:]).all()


def test_whole_powers_are_products() -> None:
    def calls_pow(expression: sp.Expr) -> bool:
        function = compile_kernel([expression], (x, y)).coefficients
        return re.search(r"\bpow\b", function.inspect_llvm()) is not None  # type: ignore[attr-defined]

    assert not calls_pow(x**2 + x**7 + x**3.0 + y**-4 + sp.sqrt(x**2 + y**2) ** 3)
    assert calls_pow(x**0.3)


def test_floating_numbers_are_arguments_of_the_code() -> None:
    def drift(rate: float, depth: float) -> list[sp.Expr]:
        return [-rate * (x**3 - x) - depth * y, sp.exp(-depth * x**2) + rate]

    first, second = (compile_kernel(drift(*p), (x, y)) for p in [(0.1, 2.5), (3.7, 0.2)])
    assert first.source == second.source
    point = {x: 0.5, y: -0.25}
    expected = [reference(e, point) for e in drift(3.7, 0.2)]
    np.testing.assert_allclose(second([0.5, -0.25]), expected, rtol=1e-14)


def test_averages_over_data() -> None:
    a, b = sp.symbols("a b", real=True)
    rng = np.random.default_rng(3)
    data = Dataset({a: rng.normal(size=17), b: rng.normal(size=17)})
    square = SampleMean((a * x - b) ** 2, data)
    bounded = SampleMean(sp.tanh(a * x + 0.3 * y) * sp.exp(x * y), data)
    nested = SampleMean(sp.cos(a * SampleMean(sp.sin(b * x), data)), data)
    kernel = compile_kernel([square + y * bounded, nested, x], (x, y))
    u, v = 0.7, -1.1
    column_a, column_b = data.table.T
    expected = [
        np.mean((column_a * u - column_b) ** 2)
        + v * np.mean(np.tanh(column_a * u + 0.3 * v)) * np.exp(u * v),
        np.mean(np.cos(column_a * np.mean(np.sin(column_b * u)))),
        u,
    ]
    np.testing.assert_allclose(kernel([u, v]), expected, rtol=1e-13)
    # The same code on other rows: what minibatches rely on.
    out = np.empty(3 * LANES)
    few = np.ascontiguousarray(data.table[[4, 4, 9]])
    call(kernel.coefficients, np.repeat([u, v], LANES), kernel.parameters, few, out, 1)
    np.testing.assert_allclose(
        out[LANES], np.mean(np.cos(few[:, 0] * np.mean(np.sin(few[:, 1] * u))))
    )


def test_names_of_data_do_not_capture_those_of_the_code() -> None:
    """The code calls its variables x0, x1, its numbers p0 and its averages m0."""
    x0, x1, p0, c0, u, v = sp.symbols("x0 x1 p0 c0 u v", real=True)
    columns = np.random.default_rng(5).normal(size=(4, 9))
    data = Dataset(dict(zip((x1, x0, p0, c0), columns, strict=True)))
    average = SampleMean((u * x0 - 0.7 * v * x1) ** 2 * sp.exp(p0 * c0 * u) + p0, data)
    b, a, p, c = columns
    expected = np.mean((0.3 * a - 0.7 * 2.0 * b) ** 2 * np.exp(p * c * 0.3) + p)
    assert compile_kernel([average], (u, v))([0.3, 2.0])[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        (sp.Symbol("k") * x + sp.Symbol("T"), UnboundSymbol, r"T, k.*\.subs\(\{T: \.\.\., k"),
        (sp.Function("f")(x), InvalidModel, "undefined"),
        (sp.DiracDelta(x), InvalidModel, "delta"),
        (sp.I * x, InvalidModel, "not a finite real"),
        (sp.oo + x * 0, InvalidModel, "not a finite real"),
        (sp.LambertW(x), InvalidModel, "no compiled form"),
        (sp.Integer(10) ** 400 * x, InvalidModel, "range of doubles"),
    ],
)
def test_refused(expression: sp.Expr, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compile_kernel([expression], (x,))


def test_two_data_sets_are_refused() -> None:
    a = sp.Symbol("a", real=True)
    one, other = Dataset({a: [1.0, 2.0]}), Dataset({a: [3.0, 4.0]})
    with pytest.raises(InvalidModel, match="2 data sets"):
        compile_kernel([SampleMean(a * x, one) + SampleMean(a * x, other)], (x,))


def test_kernels_are_pickled_as_source() -> None:
    kernel = compile_kernel([0.5 * x**2], (x,))
    copy = pickle.loads(pickle.dumps(kernel))
    np.testing.assert_array_equal(copy([3.0]), [4.5])


PROGRAM = """
    import zlib
    import sympy as sp
    from fokkerplanck.discretize.kernels import compile_kernel
    x, y, k = sp.symbols("x y k", real=True)
    bent = sp.Piecewise((x, x < y), (x * y, True))
    terms = [sp.sin(x * y) * (x + y) ** 2, bent, 0.1 * x + 0.7 * y]
    kernel = compile_kernel([*terms, *terms], (x, y))
    value = kernel([0.5, 2.0])
    print(zlib.crc32(kernel.source.encode()), value.sum())
    print(kernel.coefficients.cache_hits)
"""


def run_program(folder: Path, hash_seed: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "FOKKERPLANCK_CACHE": str(folder),
        "NUMBA_CACHE_DIR": "",
        "PYTHONHASHSEED": hash_seed,
    }
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_share_machine_code(tmp_path: Path) -> None:
    race = [run_program(tmp_path, "1"), run_program(tmp_path, "2")]
    first, second = (process.communicate()[0].splitlines() for process in race)
    third = run_program(tmp_path, "3").communicate()[0].splitlines()
    # The text must not depend on the order of hashes, or no process would find another's code.
    assert first[0] == second[0] == third[0]
    assert third[1] == "1"
    assert not list(tmp_path.rglob("*.part"))


def test_unwritable_folder_is_replaced_by_a_temporary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOKKERPLANCK_CACHE", "/proc/no/such/folder")
    folder = kernel_cache.cache_folder()
    assert "no/such" not in str(folder)
    np.testing.assert_array_equal(compile_kernel([x + 41], (x,))([1.0]), [42.0])
    assert list(folder.glob("kernel_*.py"))


def test_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FOKKERPLANCK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert kernel_cache.cache_folder() == tmp_path / "xdg" / "fokkerplanck" / "kernels"


def test_truncated_file_is_written_anew(tmp_path: Path) -> None:
    source = compile_kernel([x + 7], (x,)).source
    kernel_cache.load_module(source)
    (path,) = (tmp_path / "kernels").glob("kernel_*.py")
    path.write_text(source[: len(source) // 2])
    kernel_cache.load_module.cache_clear()
    np.testing.assert_array_equal(compile_kernel([x + 7], (x,))([1.0]), [8.0])
