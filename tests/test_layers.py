"""The package's imports point one way, and a few calls stand in one place only."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath

import pytest

import fokkerplanck

PACKAGE = Path(fokkerplanck.__file__).parent
ORDER = (
    "errors",
    "model",
    "systems",
    "discretize",
    "results",
    "solve",
    "observe",
    "theory",
    "sample",
    "flows",
    "plot",
)
# Monte Carlo must stay an independent check of what the solvers return.
FORBIDDEN = {("sample", "solve")}
LONGEST_FILE = 300


class Checker(ast.NodeVisitor):
    """Collects what a module of the package does against the rules, one line each."""

    def __init__(self, file: PurePosixPath) -> None:
        self.file = file
        self.layer = file.with_suffix("").parts[0]
        self.functions: list[str] = []
        self.found: list[str] = []

    def report(self, node: ast.AST, message: str) -> None:
        self.found.append(f"{self.file}:{node.lineno}: {message}")  # type: ignore[attr-defined]

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if outside is not None:
                self.visit(outside)
        self.functions.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.check_import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        folder = ("fokkerplanck", *self.file.parts[:-1])
        base = folder[: len(folder) - node.level + 1] if node.level else ()
        for alias in node.names:
            target = ".".join([*base, *filter(None, [node.module]), alias.name])
            self.check_import(node, target)

    def visit_Call(self, node: ast.Call) -> None:
        name = called(node)
        if name == "print":
            self.report(node, "the package never prints")
        if name in ("import_module", "__import__"):
            if node.args and isinstance(node.args[0], ast.Constant):
                self.check_import(node, str(node.args[0].value))
            else:
                self.report(node, "an import whose target cannot be read here")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.check_lambdify(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.check_lambdify(node, node.attr)
        self.generic_visit(node)

    def check_lambdify(self, node: ast.AST, name: str) -> None:
        if name == "lambdify" and self.file != PurePosixPath("discretize/coefficients.py"):
            self.report(node, "lambdify belongs to discretize/coefficients.py")

    def check_import(self, node: ast.AST, target: str) -> None:
        top, *below = target.split(".")
        self.check_lambdify(node, below[-1] if below else top)
        if top in ("matplotlib", "mpl_toolkits") and self.layer != "plot":
            self.report(node, f"{target} is imported outside plot/")
        if top == "fipy" and not (
            self.file == PurePosixPath("discretize/schemes/fipy.py") and self.functions
        ):
            self.report(node, "fipy is imported outside a function of discretize/schemes/fipy.py")
        if top == "fokkerplanck" and self.file != PurePosixPath("__init__.py"):
            self.check_arrow(node, below[0] if below else "")

    def check_arrow(self, node: ast.AST, target: str) -> None:
        if target not in ORDER or self.layer not in ORDER:
            self.report(node, f"imports fokkerplanck.{target}, which is no layer")
        elif (self.layer, target) == ("results", "plot"):
            if "plot" not in self.functions:
                self.report(node, "results/ imports plot/ outside .plot()")
        elif ORDER.index(target) > ORDER.index(self.layer):
            self.report(node, f"arrow up: {self.layer} imports {target}")
        elif (self.layer, target) in FORBIDDEN:
            self.report(node, f"{self.layer} must not import {target}")


def called(node: ast.Call) -> str:
    """Return the last name of what is called: `b` of `a.b()`, nothing of `f()()`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr if node.func.attr != "print" else ""
    return node.func.id if isinstance(node.func, ast.Name) else ""


def violations(file: str, source: str) -> list[str]:
    """Return what is wrong with a module, whose path is relative to the package."""
    checker = Checker(PurePosixPath(file))
    checker.visit(ast.parse(source))
    if (lines := len(source.splitlines())) > LONGEST_FILE:
        checker.found.append(f"{file}: {lines} lines, more than {LONGEST_FILE}")
    return checker.found


def strangers(names: list[str]) -> list[str]:
    """Return the entries at the top of the package that are no layer."""
    allowed = {*ORDER, "__init__", "py", "__pycache__"}
    return [name for name in names if name.partition(".")[0] not in allowed]


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", MODULES)
def test_module_keeps_the_rules(file: str) -> None:
    assert violations(file, (PACKAGE / file).read_text(encoding="utf-8")) == []


def test_only_layers_at_the_top() -> None:
    assert strangers([path.name for path in PACKAGE.iterdir()]) == []


def test_strangers_are_seen() -> None:
    assert strangers(["_utils.py", "helpers", "model", "errors.py", "__init__.py"]) == [
        "_utils.py",
        "helpers",
    ]


PLOT_IN_METHOD = "class Density:\n    def plot(self):\n        from ..plot import density\n"


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("model/noise.py", "from ..errors import UnboundSymbol"),
        ("model/noise.py", "from .diffusion import Diffusion"),
        ("solve/linear/multigrid.py", "from ...discretize.operator import FokkerPlanckOperator"),
        ("solve/linear/multigrid.py", "from ..passage import committor"),
        ("solve/stationary.py", "import fokkerplanck.results.density"),
        ("sample/paths.py", "from ..theory import kramers"),
        ("results/density.py", PLOT_IN_METHOD),
        ("discretize/coefficients.py", "from sympy import lambdify\nf = lambdify([], 0)"),
        ("discretize/schemes/__init__.py", "from .fipy import FiPy"),
        ("discretize/schemes/fipy.py", "def assemble():\n    import fipy"),
        ("plot/density.py", "from matplotlib.axes import Axes"),
        ("__init__.py", "from .plot import density\nfrom .errors import GridMismatch"),
        ("solve/info.py", "sheet.print(1)"),
        ("errors.py", "x = 1\n" * 300),
    ],
)
def test_allowed(file: str, source: str) -> None:
    assert violations(file, source) == []


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("model/noise.py", "from ..discretize.grid import Grid", "arrow up: model imports discr"),
        ("model/noise.py", "from .. import solve", "arrow up: model imports solve"),
        ("model/noise.py", "from fokkerplanck import solve", "arrow up: model imports solve"),
        ("model/noise.py", "import fokkerplanck.solve.spectrum as s", "arrow up"),
        ("model/noise.py", "def f():\n    from ..results import Density", "arrow up"),
        ("model/noise.py", "if TYPE_CHECKING:\n    from ..results import Density", "arrow up"),
        ("model/noise.py", "import_module('fokkerplanck.plot')", "arrow up: model imports plot"),
        ("model/noise.py", "importlib.import_module(name)", "cannot be read"),
        ("model/noise.py", "import fokkerplanck as fpk", "no layer"),
        ("model/noise.py", "from fokkerplanck import Diffusion", "no layer"),
        ("errors.py", "from .model import Diffusion", "arrow up: errors imports model"),
        ("solve/linear/multigrid.py", "from ...observe.basins import basins", "arrow up"),
        ("sample/paths.py", "from ..solve.passage import escape_rate", "must not import solve"),
        ("results/density.py", "from ..plot import density", "outside .plot()"),
        ("results/density.py", "def show():\n    from ..plot import density", "outside .plot()"),
        ("results/density.py", PLOT_IN_METHOD + "    from ..plot import field", "outside .plot()"),
        ("results/density.py", "def plot(a=import_module('fokkerplanck.plot')): 0", "outside"),
        ("observe/basins.py", "def plot():\n    from ..plot import density", "arrow up"),
        ("model/diffusion.py", "f = sympy.lambdify(x, x)", "lambdify belongs"),
        ("model/diffusion.py", "from sympy import lambdify as compile", "lambdify belongs"),
        ("model/diffusion.py", "from sympy.utilities.lambdify import x\nlambdify(0)", "lambdify"),
        ("results/density.py", "import matplotlib.pyplot as plt", "outside plot/"),
        (
            "results/density.py",
            "def plot():\n    from matplotlib.axes import Axes",
            "outside plot/",
        ),
        ("discretize/schemes/fipy.py", "import fipy", "fipy is imported outside"),
        ("discretize/operator.py", "def f():\n    from fipy import Grid2D", "fipy is imported"),
        ("solve/spectrum.py", "def f():\n    print(1)", "never prints"),
        ("_helpers.py", "from .errors import GridMismatch", "no layer"),
        ("errors.py", "x = 1\n" * 301, "301 lines"),
    ],
)
def test_refused(file: str, source: str, message: str) -> None:
    found = violations(file, source)
    assert len(found) == 1
    assert message in found[0]
