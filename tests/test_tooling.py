"""The figure cache, the figure runner and the derivation runner."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import pytest

import derivations.__main__ as derivation_runner
import figures.__main__ as figure_runner
from derivations._report import load, scripts
from figures import _cache

FIGURE = """
import numpy as np
import matplotlib.pyplot as plt
PARAMETERS = {"count": 3, "seed": 1, "levels": (0.1, 0.2)}
CALLS = []
def compute(*, count, seed, levels):
    CALLS.append(count)
    return {"x": np.arange(count) / 3, "levels": np.array(levels)}
def draw(arrays):
    figure, axes = plt.subplots()
    axes.plot(arrays["x"])
    return figure
"""


def figure(folder: Path, source: str = FIGURE) -> ModuleType:
    """Write a figure module and load it, as a new process would."""
    path = folder / "parabola.py"
    path.write_text(source)
    return load(path)


@pytest.fixture(autouse=True)
def _no_recompute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECOMPUTE", raising=False)


def test_cache_returns_what_was_computed(tmp_path: Path) -> None:
    module = figure(tmp_path)
    first, origin = _cache.arrays(module, tmp_path / "cached", tmp_path / "kept")
    again, cached = _cache.arrays(module, tmp_path / "cached", tmp_path / "kept")
    assert (origin, cached) == ("computed", "cached")
    assert module.CALLS == [3]
    assert set(again) == {"x", "levels"}
    np.testing.assert_array_equal(again["x"], first["x"])
    assert not (tmp_path / "kept").exists()


def test_cache_forgets_when_parameters_or_source_change(tmp_path: Path) -> None:
    def origin(source: str) -> str:
        return _cache.arrays(figure(tmp_path, source), tmp_path, tmp_path)[1]

    more = FIGURE.replace('"count": 3', '"count": 4')
    other_source = FIGURE.replace("/ 3", "/ 4")
    assert [origin(s) for s in (FIGURE, FIGURE, other_source, other_source, more)] == [
        "computed",
        "cached",
        "computed",
        "cached",
        "computed",
    ]
    assert len(list(tmp_path.glob("*.npz"))) == 1, "an outdated entry is left behind"


def test_cache_notices_changed_parameters(tmp_path: Path) -> None:
    module = figure(tmp_path)
    _cache.arrays(module, tmp_path, tmp_path)
    module.PARAMETERS["count"] = 5
    arrays, origin = _cache.arrays(module, tmp_path, tmp_path)
    assert origin == "computed"
    assert arrays["x"].size == 5


def test_source_hash_covers_package_helpers_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package" / "model"
    package.mkdir(parents=True)
    monkeypatch.setattr(_cache.fokkerplanck, "__file__", str(package.parent / "__init__.py"))
    written = [package / "noise.py", tmp_path / "_helper.py", tmp_path / "parabola.py"]
    for path in written:
        path.write_text("1")
    hashes = [_cache.source_hash(written[2])]
    for path in written:
        path.write_text("2")
        hashes.append(_cache.source_hash(written[2]))
    assert len(set(hashes)) == 4
    (tmp_path / "other.py").write_text("another figure")
    assert _cache.source_hash(written[2]) == hashes[-1]


def test_kept_data_carry_their_provenance(tmp_path: Path) -> None:
    module = figure(tmp_path, FIGURE + "KEEP = True\n")
    _, computed = _cache.arrays(module, tmp_path / "cached", tmp_path / "kept")
    with np.load(tmp_path / "kept" / "parabola.npz") as file:
        provenance = json.loads(str(file["provenance"]))
    assert provenance["parameters"] == {"count": 3, "seed": 1, "levels": [0.1, 0.2]}
    assert provenance["seed"] == 1
    assert set(provenance) == {"parameters", "seed", "version", "source", "date"}
    arrays, origin = _cache.arrays(module, tmp_path / "cached", tmp_path / "kept")
    assert computed == "computed and kept"
    assert origin == f"kept data of {provenance['date']}"
    assert module.CALLS == [3]
    assert set(arrays) == {"x", "levels"}


def test_kept_data_outlive_the_source_but_say_so(tmp_path: Path) -> None:
    _cache.arrays(figure(tmp_path, FIGURE + "KEEP = True\n"), tmp_path, tmp_path)
    edited = figure(tmp_path, FIGURE + "KEEP = True  # edited\n")
    assert _cache.arrays(edited, tmp_path, tmp_path)[1].endswith("sources changed since")
    assert edited.CALLS == []


def test_kept_data_of_other_parameters_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = figure(tmp_path, FIGURE + "KEEP = True\n")
    _cache.arrays(module, tmp_path, tmp_path)
    module.PARAMETERS["count"] = 4
    with pytest.raises(ValueError, match="make figures FIGURE=parabola RECOMPUTE=1"):
        _cache.arrays(module, tmp_path, tmp_path)
    monkeypatch.setenv("RECOMPUTE", "1")
    arrays, origin = _cache.arrays(module, tmp_path, tmp_path)
    assert origin == "computed and kept"
    assert arrays["x"].size == 4
    monkeypatch.setenv("RECOMPUTE", "0")
    assert _cache.arrays(module, tmp_path, tmp_path)[1].startswith("kept data")


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    module = figure(tmp_path, FIGURE.replace("np.array(levels)", "np.array([None])"))
    with pytest.raises(TypeError, match="levels"):
        _cache.arrays(module, tmp_path / "cached", tmp_path)
    assert not (tmp_path / "cached").exists()


def test_committed_data_belong_to_a_figure_and_fit_its_parameters() -> None:
    for path in sorted(_cache.KEPT.glob("*")):
        module = importlib.import_module(f"figures.{path.stem}")
        assert module.KEEP, f"{path} is committed, but {path.stem} does not keep its data"
        assert _cache.arrays(module)[1].startswith("kept data")
        assert path.stat().st_size < 2e6, f"{path} is too large for a repository"


def test_figure_is_drawn_in_the_house_style(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figure_runner, "arrays", lambda _: ({"x": np.arange(3)}, "computed"))
    before = dict(plt.rcParams)
    path, origin = figure_runner.build(figure(tmp_path), tmp_path / "output")
    assert (path, origin) == (tmp_path / "output" / "parabola.png", "computed")
    assert plt.imread(path).shape[1] == 1400, "7 inches at 200 dots"
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert dict(plt.rcParams) == before
    assert plt.get_fignums() == []


def test_figure_names_are_prefixes() -> None:
    available = ["rod", "valley", "valley_current"]
    assert figure_runner.select(available, []) == available
    assert figure_runner.select(available, ["valley"]) == ["valley", "valley_current"]
    assert figure_runner.select(available, ["valley_", "rod"]) == ["rod", "valley_current"]
    with pytest.raises(SystemExit, match="there are: rod, valley, valley_current"):
        figure_runner.select(available, ["rod", "plain"])


def test_failing_figure_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a_broken", "b_sound", "_style"):
        (tmp_path / f"{name}.py").write_text("")

    def build(module: ModuleType) -> tuple[Path, str]:
        if module.__name__ == "figures.a_broken":
            raise ZeroDivisionError
        return tmp_path / "b_sound.png", "computed"

    monkeypatch.setattr(figure_runner, "FOLDER", tmp_path)
    monkeypatch.setattr(figure_runner.importlib, "import_module", ModuleType)
    monkeypatch.setattr(figure_runner, "build", build)
    assert figure_runner.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a_broken: FAILED"
    assert "b_sound.{pdf,png}" in lines[1]
    assert lines[2:] == ["1 failed: a_broken"]
    assert figure_runner.main(["b"]) == 0


DERIVATION = """
import sympy as sp
from derivations._report import Statement
# %%
def derive():
    x = sp.Symbol("x")
    assert sp.diff(x**2, x) == {claimed}
    return [
        Statement("d(x^2)/dx = 2x", "README.md", True),
        Statement("x = 1", "README.md", False, note="a guess"),
    ]
"""


def test_derivation_runner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "01_false.py").write_text(DERIVATION.format(claimed="3 * x"))
    (tmp_path / "02_true.py").write_text(DERIVATION.format(claimed="2 * x"))
    assert derivation_runner.main([], tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "01_false",
        "  FAILED",
        "02_true",
        "  d(x^2)/dx = 2x  [README.md]  verified",
        "  x = 1  [README.md]  NOT VERIFIED (a guess)",
        "1 failed: 01_false",
    ]
    assert derivation_runner.main(["2"], tmp_path) == 0
    assert [path.name for path in scripts(["02", "1"], tmp_path)] == ["02_true.py", "01_false.py"]


def test_derivation_numbers(tmp_path: Path) -> None:
    (tmp_path / "01_first.py").write_text("")
    with pytest.raises(ValueError, match=r"no derivation has number \[7\]"):
        scripts(["7"], tmp_path)
    (tmp_path / "01_second.py").write_text("")
    with pytest.raises(ValueError, match="share a number"):
        scripts([], tmp_path)
