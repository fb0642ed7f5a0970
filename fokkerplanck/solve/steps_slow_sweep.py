"""Many runs with a slow variable: a phase diagram, one cell a run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import closing
from typing import Any

from tqdm import tqdm

from fokkerplanck.results.slow_evolution import SlowEvolution
from fokkerplanck.solve.linear.blas import single_threaded_blas
from fokkerplanck.solve.steps_slow import slow_evolution

__all__ = ["slow_sweep"]


def slow_sweep(
    cases: Sequence[Mapping[str, Any]], *, executor: Executor | None = None, **common: Any
) -> list[SlowEvolution]:
    """Run `slow_evolution` for many learning rates or parameters.

    Parameters
    ----------
    cases : sequence of mappings
        Arguments of `slow_evolution` by name, such as ``optimizer`` and ``panels``.
    executor : concurrent.futures.Executor, optional
        Runs the cases; the numbers do not depend on it.  None: one after another.  Threads gain
        little where runs are short, as setting up a case is Python's and SymPy's work.
    **common
        Arguments that all cases share; those of a case precede.

    Returns
    -------
    list of SlowEvolution
        In the order of the cases.

    Raises
    ------
    FokkerPlanckError
        Those of `slow_evolution`; a note says which case.
    KeyboardInterrupt
        On an interrupt.  The attribute ``runs`` of this and of any other exception (in an
        interactive session ``sys.last_value.runs``) has what was computed by then, None elsewhere.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> loss = y * (sp.Abs(x) - 1) ** 2 - y
    >>> noise = fpk.noise.Isotropic(25)
    >>> rates = (0.03, 0.05, 0.07)
    >>> runs = fpk.slow_sweep(
    ...     [{"optimizer": fpk.SGD(loss, (x, y), noise, learning_rate=rate)} for rate in rates],
    ...     panels=fpk.Panels(x=(-4, 4)), slow=(y, 0.5, 4), start=(0.3, 1.0), steps=20,
    ...     region=x > 0)
    >>> [round(float(run.probability[-1]), 3) for run in runs]
    [0.867, 0.749, 0.663]
    """
    arguments = [{**common, **case} for case in cases]
    runs: list[SlowEvolution | None] = [None] * len(arguments)
    # tqdm is silent where nobody looks; of BLAS threads none returns while others still run.
    with (
        single_threaded_blas(),
        tqdm(total=len(runs), desc="cases", disable=None) as progress,
        closing(_finished(arguments, executor)) as finished,
    ):
        try:
            for number, run in finished:
                runs[number] = run
                progress.update()
        except BaseException as error:
            done = sum(run is not None for run in runs)
            error.runs = tuple(runs)  # type: ignore[attr-defined]
            error.add_note(
                f"{done} of {len(runs)} cases were computed: they are the attribute `runs` of this "
                "exception (sys.last_value.runs)"
            )
            raise
    return [run for run in runs if run is not None]


def _finished(
    arguments: Sequence[dict[str, Any]], executor: Executor | None
) -> Generator[tuple[int, SlowEvolution], None, None]:
    """Numbers of cases and their runs as they finish."""
    if executor is None:
        for number, each in enumerate(arguments):
            yield number, _run(number, each)
        return
    futures: dict[Future[SlowEvolution], int] = {}
    try:
        for number, each in enumerate(arguments):
            futures[executor.submit(_run, number, each)] = number
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        # Also on KeyboardInterrupt; what has finished is not touched.
        for future in futures:
            future.cancel()


def _run(number: int, arguments: dict[str, Any]) -> SlowEvolution:
    try:
        return slow_evolution(**arguments)
    except Exception as error:
        error.add_note(f"in case {number} of the sweep, counted from 0")
        raise
