"""A network at the edge of stability: gradient descent and the flows that model it.

A multilayer perceptron on scikit-learn's digits, full batch, squared loss.  Left: sharpness over
time in units of ``1/eta``; middle: loss; right: distance of each flow from gradient descent, both
averaged over two steps.  Sharpness of gradient descent is that at its average, its loss the mean
of two steps, as flows have them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.flows.jax_landscape import jax_landscape

KEEP = True
NEEDS = ("jax", "sklearn")

PARAMETERS: dict[str, Any] = {
    "images": 500,
    "seed": 0,
    "networks": {
        "mlp": {"learning_rate": 1.0, "widths": [16, 16], "scale": 0.5, "steps": 1000},
    },
    # Stiff, or lost at the onset: followed for a while only.
    "short": {"stable": 150, "one_rod": 150},
    "floor": 1e-4,
    "rank": 4,
}

FLOWS = ("descent", "gradient", "stable", "central", "rod", "one_rod")
SERIES = ("sharpness", "loss", "extent", "distance")


def digits(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, centred and of unit mean variance, and one-hot digits."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels, labels = pixels[:images], labels[:images]
    return (pixels - pixels.mean(axis=0)) / pixels.std(), np.eye(10)[labels]


def layers(sizes: list[tuple[int, int]], scale: float, seed: int) -> list[tuple[Any, Any]]:
    """Weights of variance ``scale^2/fan_in``, biases zero."""
    rng = np.random.default_rng(seed)
    return [(scale * rng.normal(size=(n, m)) / np.sqrt(n), np.zeros(m)) for n, m in sizes]


def perceptron(network: dict[str, Any], p: dict[str, Any]) -> tuple[Any, Any]:
    """Loss and start: 64 pixels, tanh layers, ten outputs."""
    import jax.numpy as jnp

    pixels, targets = digits(p["images"])
    sizes = [64, *network["widths"], 10]
    start = layers(list(pairwise(sizes)), network["scale"], p["seed"])

    def loss(weights: Any) -> Any:
        found = pixels
        for matrix, bias in weights[:-1]:
            found = jnp.tanh(found @ matrix + bias)
        matrix, bias = weights[-1]
        return jnp.mean(jnp.sum((found @ matrix + bias - targets) ** 2, axis=1)) / 2

    return loss, start


NETWORKS = {"mlp": perceptron}


def run(flow: str, network: str, p: dict[str, Any]) -> Any:
    """The trajectory of one of `FLOWS`."""
    options = p["networks"][network]
    loss, start = NETWORKS[network](options, p)
    steps = min(options["steps"], p["short"].get(flow, options["steps"]))
    arguments = (loss, None, options["learning_rate"], start, steps)
    flows = fpk.flows
    match flow:
        case "descent":
            return flows.gradient_descent(*arguments)
        case "gradient":
            return flows.gradient_flow(*arguments)
        case "stable":
            return flows.stable_flow(*arguments)
        case "central":
            return flows.central_flow(*arguments)
        case "rod":
            return flows.rod_flow(*arguments, closure=flows.AllAxes(), rank=p["rank"])
        case _:
            return flows.rod_flow(*arguments, floor=p["floor"], rank=p["rank"])


def series(flow: str, network: str, p: dict[str, Any], descent: Any) -> dict[str, np.ndarray]:
    """What is kept of one flow."""
    found = descent if flow == "descent" else run(flow, network, p)
    sharpness = found.sharpness
    if flow == "descent":
        landscape = jax_landscape(*NETWORKS[network](p["networks"][network], p))[0]
        sharpness = landscape.sharpness(found.average.T)
    values = (sharpness, found.mean_loss, found.extent, found.distance(descent))
    arrays = {name: v.astype(np.float32) for name, v in zip(SERIES, values, strict=True)}
    arrays["cost"] = np.array(found.info["gradients_per_step"])
    return {f"{network}_{flow}_{name}": value for name, value in arrays.items()}


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Series and costs of every flow of every network."""
    arrays: dict[str, np.ndarray] = {}
    for network, options in p["networks"].items():
        descent = run("descent", network, p)
        arrays[f"{network}_size"] = np.array(descent.parameters.shape[1])
        arrays[f"{network}_edge"] = np.array(2 / options["learning_rate"])
        for flow in FLOWS:
            arrays |= series(flow, network, p, descent)
    return arrays


def spot_check(rng: np.random.Generator) -> tuple[str, slice, np.ndarray]:
    """The first steps of one random flow computed anew: its name, place and value."""
    network = str(rng.choice(list(PARAMETERS["networks"])))
    flow, name = str(rng.choice(FLOWS)), str(rng.choice(SERIES))
    networks = {network: PARAMETERS["networks"][network] | {"steps": 12}}
    few = PARAMETERS | {"networks": networks}
    key = f"{network}_{flow}_{name}"
    return key, slice(0, 11), series(flow, network, few, run("descent", network, few))[key][:11]


def after_the_edge(arrays: dict[str, np.ndarray], network: str) -> slice:
    """Steps from the first at which gradient flow is beyond ``2/eta``."""
    beyond = arrays[f"{network}_gradient_sharpness"] > arrays[f"{network}_edge"]
    return slice(int(np.argmax(beyond)), None)


def medians(
    arrays: dict[str, np.ndarray], network: str, flow: str, until: int | None = None
) -> dict[str, float]:
    """Medians after the edge: relative errors of sharpness and loss, and the distance."""
    late = slice(after_the_edge(arrays, network).start, until)
    found = {"distance": float(np.median(arrays[f"{network}_{flow}_distance"][late]))}
    for name in ("sharpness", "loss"):
        model = arrays[f"{network}_{flow}_{name}"][late]
        truth = arrays[f"{network}_descent_{name}"][late][: model.size]
        found[name] = float(np.median(np.abs(model / truth - 1)))
    return found


STYLES: dict[str, dict[str, Any]] = {
    "descent": {"color": "0.6", "lw": 1.6, "label": "gradient descent"},
    "gradient": {"color": "C4", "label": "gradient flow"},
    "stable": {"color": "k", "ls": ":", "label": "stable flow"},
    "central": {"color": "C2", "label": "central flow"},
    "rod": {"color": "C0", "label": "rod flow, all axes"},
    "one_rod": {"color": "C1", "ls": "--", "label": "rod flow, one rod"},
}
TITLES = {"mlp": "perceptron"}


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """A row a network: sharpness, loss, distance from gradient descent."""
    networks = [name for name in NETWORKS if f"{name}_edge" in arrays]
    figure, rows = plt.subplots(
        len(networks), 3, figsize=(7.0, 0.7 + 2.1 * len(networks)), squeeze=False
    )
    for axes, network in zip(rows, networks, strict=True):
        edge = float(arrays[f"{network}_edge"])
        sharpness, loss, distance = axes
        count = len(arrays[f"{network}_descent_loss"])
        for flow, style in STYLES.items():
            values = {name: arrays[f"{network}_{flow}_{name}"] for name in SERIES}
            steps = np.arange(len(values["loss"])) + 1
            sharpness.semilogx(steps, 2 * values["sharpness"] / edge, **style)
            loss.semilogy(values["loss"], **style)
            if flow != "descent":
                distance.semilogy(values["distance"], **style)
        sharpness.axhline(2, color="0.4", lw=0.8, ls=":")
        sharpness.text(1.1, 2.02, "edge", va="bottom", color="0.4")
        size = int(arrays[f"{network}_size"])
        rate = PARAMETERS["networks"][network]["learning_rate"]
        sharpness.set(
            ylabel=r"$\eta \times$ sharpness",
            title=rf"{TITLES[network]}, $\eta = {rate:g}$",
            xlabel="step + 1",
            xlim=(1, count),
        )
        loss.set(ylabel="mean loss of two steps", title=f"{size} parameters")
        distance.set(ylabel="distance from descent", title="period 2 averaged", ylim=(0.01, 7))
        for panel in (loss, distance):
            panel.set(xlabel="step", xlim=(0, count))
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
