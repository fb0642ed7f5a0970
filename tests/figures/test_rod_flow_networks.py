"""What the figure of networks claims, on its kept arrays; no JAX needed."""

from __future__ import annotations

import numpy as np
import pytest

from figures import rod_flow_networks as figure
from figures._cache import arrays

NETWORKS = list(figure.PARAMETERS["networks"])


@pytest.fixture(scope="module")
def kept() -> dict[str, np.ndarray]:
    return arrays(figure)[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_learning_rate_is_that_of_the_rule(kept: dict[str, np.ndarray], network: str) -> None:
    p = figure.PARAMETERS
    free = {name: kept[f"{network}_gradient_{name}"] for name in ("sharpness", "loss")}
    assert 2 * free["sharpness"][0] / kept[f"{network}_edge"] == pytest.approx(p["onset"], rel=1e-3)
    # Reached within one unit of time.
    assert 0.97 * p["trained"] < free["loss"][0] <= p["trained"]
    assert 0 < kept[f"{network}_trained"] < figure.MOST_TIME


@pytest.mark.parametrize("network", NETWORKS)
def test_progressive_sharpening_reaches_the_edge_and_goes_on(
    kept: dict[str, np.ndarray], network: str
) -> None:
    edge, late = float(kept[f"{network}_edge"]), figure.after_the_edge(kept, network)
    free, descent = (kept[f"{network}_{flow}_sharpness"] for flow in ("gradient", "descent"))
    assert free.size == descent.size == 1001
    assert 0 < late.start < 40
    assert free[-1] > 1.2 * edge
    # Descent stays there.
    assert np.median(np.abs(descent[late] / edge - 1)) < 0.02


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("flow", ["central", "rod"])
def test_error_of_the_sharpness_is_a_tenth_of_that_of_gradient_flow(
    kept: dict[str, np.ndarray], network: str, flow: str
) -> None:
    found, free = (figure.medians(kept, network, name) for name in (flow, "gradient"))
    assert found["sharpness"] < free["sharpness"] / 10


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("flow", ["central", "rod"])
def test_distance_from_descent_is_a_tenth_of_that_of_gradient_flow(
    kept: dict[str, np.ndarray], network: str, flow: str
) -> None:
    found, free = (figure.medians(kept, network, name) for name in (flow, "gradient"))
    assert found["distance"] < free["distance"] / 10


@pytest.mark.parametrize("network", NETWORKS)
def test_rod_flow_follows_the_onset_that_central_flow_has_not(
    kept: dict[str, np.ndarray], network: str
) -> None:
    edge = float(kept[f"{network}_edge"])
    peak = {
        flow: 2 * float(kept[f"{network}_{flow}_sharpness"][:200].max()) / edge
        for flow in ("descent", "rod", "central")
    }
    assert peak["descent"] > 2.05
    assert peak["rod"] == pytest.approx(peak["descent"], abs=0.02)
    assert peak["central"] < 2.005


@pytest.mark.parametrize("network", NETWORKS)
def test_one_rod_misses_the_onset(kept: dict[str, np.ndarray], network: str) -> None:
    count = kept[f"{network}_one_rod_sharpness"].size
    free = kept[f"{network}_gradient_sharpness"][:count]
    np.testing.assert_allclose(kept[f"{network}_one_rod_sharpness"], free, rtol=0.06)
    assert free[-1] > 1.05 * kept[f"{network}_edge"]


@pytest.mark.parametrize("network", NETWORKS)
def test_central_flow_never_passes_the_edge(kept: dict[str, np.ndarray], network: str) -> None:
    edge = float(kept[f"{network}_edge"])
    assert kept[f"{network}_central_sharpness"].max() < edge * (1 + 2e-3)
    held = kept[f"{network}_central_extent"] > 0
    assert np.all(kept[f"{network}_central_sharpness"][held] > edge * (1 - 2e-3))


@pytest.mark.parametrize("network", NETWORKS)
def test_costs(kept: dict[str, np.ndarray], network: str) -> None:
    cost = {flow: float(kept[f"{network}_{flow}_cost"]) for flow in figure.FLOWS}
    assert cost["descent"] == 1
    assert cost["gradient"] < cost["one_rod"] < cost["rod"]
