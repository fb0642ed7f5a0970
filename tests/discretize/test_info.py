"""The record of evidence is read-only and travels."""

from __future__ import annotations

import copy
import pickle

import pytest

from fokkerplanck.discretize.info import Info


def test_entries() -> None:
    info = Info(scheme="Selling", residual=2e-16)
    assert dict(info) == {"scheme": "Selling", "residual": 2e-16}
    assert info.extended(residual=1.0, extra=3)["residual"] == 1.0
    assert info["residual"] == 2e-16
    assert str(info) == "scheme: Selling\nresidual: 2e-16"


def test_closed_and_portable() -> None:
    info = Info(scheme="Selling")
    with pytest.raises(AttributeError):
        info.scheme = "other"  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        info["scheme"] = "other"  # type: ignore[index]
    assert pickle.loads(pickle.dumps(info)) == info == copy.deepcopy(info)
    assert info != Info(scheme="other")
