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
def test_progressive_sharpening_reaches_the_edge_and_goes_on(
    kept: dict[str, np.ndarray], network: str
) -> None:
    edge, late = float(kept[f"{network}_edge"]), figure.after_the_edge(kept, network)
    free, descent = (kept[f"{network}_{flow}_sharpness"] for flow in ("gradient", "descent"))
    assert 0 < late.start < 300
    assert free[0] < edge
    assert free[-1] > 2 * edge
    # Descent stays there.
    assert np.median(np.abs(descent[late] / edge - 1)) < 0.1


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("flow", ["central", "rod"])
def test_error_of_the_sharpness_is_a_tenth_of_that_of_gradient_flow(
    kept: dict[str, np.ndarray], network: str, flow: str
) -> None:
    found, free = (figure.medians(kept, network, name) for name in (flow, "gradient"))
    assert found["sharpness"] < free["sharpness"] / 10


@pytest.mark.parametrize("network", NETWORKS)
def test_distances_are_those_of_the_page(kept: dict[str, np.ndarray], network: str) -> None:
    """Above a tenth of gradient flow's, both: .107 and .249; the rod is the nearer one."""
    distance = {
        flow: figure.medians(kept, network, flow)["distance"]
        for flow in ("gradient", "central", "rod")
    }
    assert distance["rod"] < 0.11 * distance["gradient"]
    assert distance["central"] < 0.26 * distance["gradient"]
    assert distance["rod"] < distance["central"] / 2


@pytest.mark.parametrize("network", NETWORKS)
def test_one_rod_misses_the_onset(kept: dict[str, np.ndarray], network: str) -> None:
    count = kept[f"{network}_one_rod_sharpness"].size
    free = kept[f"{network}_gradient_sharpness"][:count]
    np.testing.assert_allclose(kept[f"{network}_one_rod_sharpness"], free, rtol=0.06)
    assert free[-1] > 2 * kept[f"{network}_edge"]


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
