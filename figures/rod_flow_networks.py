"""Two networks at the edge of stability: gradient descent and the flows that model it.

A perceptron (above) and a convolutional network (below) on scikit-learn's digits, full batch,
squared loss.  Left: sharpness over time in units of ``1/eta``; middle: loss; right: distance of
each flow from gradient descent, both averaged over two steps.  Sharpness of gradient descent is
that at its average, its loss the mean of two steps, as flows have them.

The learning rate follows from a rule: gradient flow trains a network from its random weights until
the loss is ``trained``, and from there on ``eta`` is such that ``eta`` times the sharpness is
``onset``.  The edge is then a few steps ahead, and reached slowly.  Descent and all flows start at
that same point.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.flows.jax_landscape import double_precision, jax_landscape

KEEP = True
NEEDS = ("jax", "sklearn")

PARAMETERS: dict[str, Any] = {
    "seed": 0,
    "networks": {
        "mlp": {"images": 500, "widths": [16, 16], "scale": 0.5, "steps": 1000},
        "cnn": {"images": 250, "widths": [4, 8], "scale": 0.7, "steps": 1000},
    },
    "trained": 0.07,
    "onset": 1.95,
    # Stiff, or lost at the onset: followed for a while only.
    "short": {"stable": 200, "one_rod": 200},
    "floor": 1e-4,
    "rank": 4,
}

# Of training by gradient flow.
MOST_TIME = 200

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


def perceptron(network: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """Loss and random weights: 64 pixels, tanh layers, ten outputs."""
    import jax.numpy as jnp

    pixels, targets = digits(network["images"])
    sizes = [64, *network["widths"], 10]
    weights = layers(list(pairwise(sizes)), network["scale"], seed)

    def loss(weights: Any) -> Any:
        found = pixels
        for matrix, bias in weights[:-1]:
            found = jnp.tanh(found @ matrix + bias)
        matrix, bias = weights[-1]
        return jnp.mean(jnp.sum((found @ matrix + bias - targets) ** 2, axis=1)) / 2

    return loss, weights


def convolutional(network: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """Loss and random weights: two 3 x 3 convolutions of stride 2, tanh, ten linear outputs."""
    import jax.numpy as jnp

    pixels, targets = digits(network["images"])
    first, second = network["widths"]
    sizes = [(9, first), (9 * first, second), (4 * second, 10)]
    weights = layers(sizes, network["scale"], seed)

    def patches(maps: Any) -> Any:
        """What every second 3 x 3 kernel sees of maps (n, s, s, c), as (n, s/2, s/2, 9 c).

        `jax.lax.conv_general_dilated` is the same, and on a CPU half as fast at products of the
        Hessians at several points with a vector: kernels then differ from point to point.
        """
        side = maps.shape[1]
        padded = jnp.pad(maps, ((0, 0), (0, 1), (0, 1), (0, 0)))
        shifted = [
            padded[:, i : i + side : 2, j : j + side : 2] for i in range(3) for j in range(3)
        ]
        return jnp.concatenate(shifted, axis=-1)

    def loss(weights: Any) -> Any:
        found = pixels.reshape(-1, 8, 8, 1)
        for kernel, bias in weights[:-1]:
            found = jnp.tanh(patches(found) @ kernel + bias)
        matrix, bias = weights[-1]
        output = found.reshape(len(pixels), -1) @ matrix + bias
        return jnp.mean(jnp.sum((output - targets) ** 2, axis=1)) / 2

    return loss, weights


NETWORKS = {"mlp": perceptron, "cnn": convolutional}


@dataclass(frozen=True)
class Task:
    """What descent and all flows of a network start from, and for how long it was trained."""

    loss: Any
    start: Any
    learning_rate: float
    time: int


def prepare(network: str, p: dict[str, Any]) -> Task:
    """Train by gradient flow until the loss is ``trained``; a unit of time is ``eta = 1``."""
    from jax.flatten_util import ravel_pytree

    loss, weights = NETWORKS[network](p["networks"][network], p["seed"])
    flow = fpk.flows.gradient_flow(loss, None, 1.0, weights, MOST_TIME)
    time = int(np.argmax(flow.loss <= p["trained"]))
    if flow.loss[time] > p["trained"]:
        raise ValueError(f"the loss of {network} is {flow.loss[-1]:.3g} after a time {MOST_TIME}")
    with double_precision():
        start = ravel_pytree(weights)[1](flow.parameters[time])
    return Task(loss, start, p["onset"] / float(flow.sharpness[time]), time)


def run(flow: str, network: str, p: dict[str, Any], task: Task) -> Any:
    """The trajectory of one of `FLOWS`."""
    most = p["networks"][network]["steps"]
    steps = min(most, p["short"].get(flow, most))
    arguments = (task.loss, None, task.learning_rate, task.start, steps)
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


def series(
    flow: str, network: str, p: dict[str, Any], task: Task, descent: Any
) -> dict[str, np.ndarray]:
    """What is kept of one flow."""
    found = descent if flow == "descent" else run(flow, network, p, task)
    sharpness = found.sharpness
    if flow == "descent":
        sharpness = jax_landscape(task.loss, task.start)[0].sharpness(found.average.T)
    values = (sharpness, found.mean_loss, found.extent, found.distance(descent))
    arrays = {name: v.astype(np.float32) for name, v in zip(SERIES, values, strict=True)}
    arrays["cost"] = np.array(found.info["gradients_per_step"])
    return {f"{network}_{flow}_{name}": value for name, value in arrays.items()}


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Series and costs of every flow of every network."""
    arrays: dict[str, np.ndarray] = {}
    for network in p["networks"]:
        task = prepare(network, p)
        descent = run("descent", network, p, task)
        arrays[f"{network}_size"] = np.array(descent.parameters.shape[1])
        arrays[f"{network}_trained"] = np.array(task.time)
        arrays[f"{network}_edge"] = np.array(2 / task.learning_rate)
        for flow in FLOWS:
            arrays |= series(flow, network, p, task, descent)
    return arrays


def spot_check(rng: np.random.Generator) -> tuple[str, slice, np.ndarray]:
    """The first steps of one random flow computed anew: its name, place and value."""
    network = str(rng.choice(list(PARAMETERS["networks"])))
    flow, name = str(rng.choice(FLOWS)), str(rng.choice(SERIES))
    networks = {network: PARAMETERS["networks"][network] | {"steps": 12}}
    few = PARAMETERS | {"networks": networks}
    key, task = f"{network}_{flow}_{name}", prepare(network, few)
    descent = run("descent", network, few, task)
    return key, slice(0, 11), series(flow, network, few, task, descent)[key][:11]


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
TITLES = {"mlp": "perceptron", "cnn": "convolutional"}


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
        sharpness.set(
            ylabel=r"$\eta \times$ sharpness",
            title=rf"{TITLES[network]}, $\eta = {2 / edge:.3f}$",
            xlabel="step + 1",
            xlim=(1, count),
        )
        loss.set(ylabel="mean loss of two steps", title=f"{size} parameters")
        distance.set(ylabel="distance from descent", title="period 2 averaged", ylim=(1e-3, 1))
        for panel in (loss, distance):
            panel.set(xlabel="step", xlim=(0, count))
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
