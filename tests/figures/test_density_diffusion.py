"""What the figures of density diffusion claim, computed coarsely."""

from __future__ import annotations

import numpy as np
import pytest

from figures import density_diffusion_covariance as covariance
from figures import density_diffusion_degenerate as degenerate
from figures import density_diffusion_odds as odds
from figures import density_diffusion_scaling as scaling
from figures import density_diffusion_times as times
from fokkerplanck.discretize.coefficients import compile_expressions


def test_times_of_solver_paths_and_formula() -> None:
    coarse = times.PARAMETERS | {
        "ratios": [4.0],
        "noises": [[0.035, 0.5]],
        "solved": 3,
        "sampled": [[0.45]],
        "paths": 600,
        "map_ratios": [0.25, 4.0, 3],
        "map_noises": [0.02, 0.2, 2],
    }
    arrays = times.compute(**coarse)
    for convention in times.CONVENTIONS:
        key = f"{convention}_0"
        for noise, solved in zip(arrays["noise_0"], arrays[f"solver_{key}"], strict=True):
            exact = float(times.bed(4.0, noise).exact_escape_time(convention))
            assert solved == pytest.approx(exact, rel=1e-4)
        exact = float(times.bed(4.0, 0.45).exact_escape_time(convention))
        time, error = arrays[f"paths_{key}"][0]
        assert abs(time - exact) < 3 * error
        # The map holds the same ratios, at noises in its rows and curvatures in its columns.
        bed = times.bed(0.25, 0.2)
        expected = float(bed.exact_escape_time(convention) / bed.escape_time(convention))
        assert arrays[f"map_{convention}"][1, 0] == pytest.approx(expected, rel=1e-9)
    # At the smaller noise the smaller share of the exponent is above 2.5 and the formula holds.
    assert arrays["map_share"][0].min() == pytest.approx(2.5, rel=1e-6)
    assert np.abs(arrays["map_isothermal"][0] - 1).max() < 0.02
    assert np.abs(arrays["map_ito"][0] - 1).max() < 0.02


def test_straightened_isothermal_paths_take_the_isothermal_time() -> None:
    """By finite volumes, in z, where the diffusion is Itô's."""
    bed = times.bed(4.0, 0.1)
    diffusion, target = times.straightened(bed)
    operator = times.fpk.assemble(diffusion, times.fpk.Grid(theta=(-2.5, target + 2.5, 6000)))
    rate = times.fpk.escape_rate(operator, (0.0,), times.theta > target)
    assert 1 / rate.value == pytest.approx(float(bed.exact_escape_time("isothermal")), rel=2e-2)
    assert 1 / rate.value > 2 * float(bed.exact_escape_time("ito"))


def test_odds_of_flat_over_sharp() -> None:
    coarse = odds.PARAMETERS | {
        "inverse_noises": [5.0, 20.0, 4],
        "few": [10.0],
        "ratios": [1.0, 10.0, 3],
        "few_ratios": [2.0],
    }
    arrays = odds.compute(**coarse)
    logs = [np.log(arrays[f"odds_inverse_{k}"]) for k in range(3)]
    bed = odds.bed(4.0, 1.0, "hessian", coarse)
    slope = float(bed.exponent(1) - bed.exponent(0))
    for found in logs[:2]:
        assert (found[-1] - found[-2]) / 5 == pytest.approx(slope, rel=0.05)
    assert logs[2][-1] == pytest.approx(np.log(2), abs=1e-3)
    for k, (kind, convention) in enumerate(odds.KINDS):
        exact = float(odds.bed(4.0, 10.0, kind, coarse).odds(convention))  # type: ignore[arg-type]
        solved, stepped = arrays[f"measured_few_{k}"][0]
        assert solved == pytest.approx(exact, rel=1e-3)
        assert np.isnan(stepped) or stepped == pytest.approx(exact, rel=0.2)


def test_floor_and_steps() -> None:
    coarse = degenerate.PARAMETERS | {
        "noises": [0.15],
        "floors": [4e-3, 1.0, 5],
        "cells": 6000,
        "learning_rates": [0.12, 0.06],
        "runs": 100,
    }
    arrays = degenerate.compute(**coarse)
    floors, floored = arrays["floors"], arrays["floored"][0]
    power = -np.log(floored[1] / floored[0]) / np.log(floors[1] / floors[0])
    assert power == pytest.approx(arrays["powers"][0], rel=0.1)
    assert floored[0] > 1000 * arrays["formula"][0]
    (fast, fast_error), (slow, slow_error) = arrays["leaps"][0]
    assert slow - fast > 4 * np.hypot(fast_error, slow_error)


def test_straight_line_and_its_errors() -> None:
    rng = np.random.default_rng(1)
    places, errors = np.linspace(1, 3, 6), np.full(6, 0.1)
    slopes = []
    for _ in range(400):
        values = 2 * places + 1 + errors * rng.normal(size=6)
        slope, error, _, _ = scaling.line(places, np.stack([values, errors], axis=1))
        slopes.append(slope)
    assert np.std(slopes) == pytest.approx(error, rel=0.15)
    assert scaling.rounded(2.1612, 0.023) == r"$2.16 \pm 0.02$"


def test_rates_fall_exponentially_with_the_batch() -> None:
    coarse = scaling.PARAMETERS | {
        "dimensions": [2],
        "batches": [1, 3],
        "rates": [0.03],
        "paths": 200,
    }
    arrays = scaling.styblinski_tang(coarse)
    (points,), (line,) = arrays["tang_batch"], arrays["tang_batch_line"]
    for (value, error), exact in zip(points, line, strict=True):
        assert abs(value - exact) < 4 * error
    assert (line[1] - line[0]) / 2 == pytest.approx(2.13, abs=0.05)
    # 1/k and 1/eta are one axis.
    assert arrays["tang_scale_line"] == pytest.approx(arrays["tang_rate_line"])


def test_watching_at_steps_only_doubles_the_time_of_the_linear_diffusion() -> None:
    p = scaling.PARAMETERS
    model = scaling.Classifier(*scaling.load_table(columns=p["columns"]), decay=p["decay"])
    _, hessian, noise = scaling.minimum(model.optimizer(p["logistic_rate"]))
    spread = np.linalg.cholesky(noise / p["logistic_batch"])
    rng, runs, pieces, counted = np.random.default_rng(1), 400, 20, 1200
    x, seen, crossed = np.zeros((runs, 2)), np.full(runs, counted), np.full(runs, counted)
    for step in range(counted):
        for _ in range(pieces):
            kicks = rng.normal(size=(runs, 2)) @ spread.T
            x = x - x @ hessian / pieces + kicks / np.sqrt(pieces)
            out = np.einsum("ni,ij,nj->n", x, hessian, x) / 2 > p["threshold"]
            crossed[out] = np.minimum(crossed[out], step + 1)
        seen[out] = np.minimum(seen[out], step + 1)
    ratio = seen.mean() / crossed.mean()
    # Paired paths; 1.96 to 2.15 over six seeds.
    assert 1.8 < ratio < 2.4


def test_covariance_follows_the_hessian_at_a_minimum_only() -> None:
    pytest.importorskip("sklearn")
    arrays = covariance.compute(**covariance.PARAMETERS | {"draws": 12})
    for name, fall in (("logistic", 0.05), ("network", 0.2)):
        slope, correlation = covariance.agreement(*arrays[f"{name}_near"])
        assert 0.7 < slope < 1.1
        assert correlation > 0.97
        far = np.median(arrays[f"{name}_agreement"][-1, :, 1])
        assert far < correlation - fall


@pytest.mark.parametrize("hidden", [0, 3])
def test_gradients_by_hand_are_those_of_the_symbols(hidden: int) -> None:
    rng = np.random.default_rng(3)
    model = covariance.Classifier(rng.normal(size=(6, 2)), [1, -1, 1, 1, -1, -1], hidden=hidden)
    theta = rng.normal(size=len(model.variables))
    sgd = model.optimizer(0.1)
    expected = [float(g) for g in _evaluated(sgd, theta)]
    each, _ = covariance.gradients(model, theta)
    np.testing.assert_allclose(each.mean(axis=0), expected, rtol=1e-10)


def _evaluated(sgd: times.fpk.SGD, theta: np.ndarray) -> np.ndarray:
    return np.asarray(compile_expressions(list(sgd.gradient), sgd.variables)(*theta))
