"""Every derivation holds, and names where its formula is used."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

from derivations._report import Statement, load, scripts

CHECKOUT = Path(__file__).parents[1]


def check(statement: Statement) -> None:
    """Raise unless the statement is proved or says why not, and what uses it exists."""
    assert statement.verified or statement.note, f"neither verified nor explained: {statement}"
    assert "\n" not in statement.formula, f"a formula is one line: {statement.formula!r}"
    if statement.used_by.startswith("fokkerplanck."):
        pkgutil.resolve_name(statement.used_by)
    else:
        used_by = statement.used_by.partition("#")[0]
        assert used_by, f"nothing uses {statement.formula}"
        assert (CHECKOUT / used_by).is_file(), f"{used_by} is no file of the repository"


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.stem)
def test_derivation(script: Path) -> None:
    statements = load(script).derive()
    assert statements, "a derivation states something"
    for statement in statements:
        check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        Statement("k = 1", "fokkerplanck.errors.GridMismatch", verified=True),
        Statement("k = 1", "README.md", verified=False, note="holds for small k only"),
        Statement("k = 1", "README.md#layout", verified=True),
    ],
)
def test_accepted(statement: Statement) -> None:
    check(statement)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (Statement("k = 1", "README.md", verified=False), AssertionError),
        (Statement("k = 1\n", "README.md", verified=True), AssertionError),
        (Statement("k = 1", "", verified=True), AssertionError),
        (Statement("k = 1", "docs/nowhere.md", verified=True), AssertionError),
        (Statement("k = 1", "fokkerplanck.errors.Nothing", verified=True), AttributeError),
    ],
)
def test_refused(statement: Statement, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(statement)
