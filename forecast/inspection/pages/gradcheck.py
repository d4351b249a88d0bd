"""The table of `task=gradcheck`, and its verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecast.inspection.gradcheck import SINGLE_TOLERANCE, TOLERANCE
from forecast.wording import counted, listed, number, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forecast.inspection.gradcheck import Checked, TensorCheck

_SHOWN = 3


def print_gradcheck(tensors: Sequence[TensorCheck], sentence: str, console: Console | None = None) -> None:
    """Print a row a parameter tensor, and the verdict as the last line."""
    console = console or Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("parameter", no_wrap=True)
    table.add_column("shape", no_wrap=True)
    for heading in ("error", "single", "points", "corners"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in tensors:
        shape = " x ".join(map(str, one.shape))
        errors = (_error(one.error), _error(one.single), str(one.points), str(one.corners))
        style = "" if one.verdict == "ok" else "bold red"
        table.add_row(Text(shortened(one.name, 30)), shape, *errors, one.verdict, style=style)
    console.print(table)
    console.print(Text(sentence, style="bold"), soft_wrap=True)


def gradcheck_in_words(checked: Checked, network: str) -> str:
    """Say whether the gradients are right."""
    wrong = [one for one in checked.tensors if one.verdict == "wrong"]
    if wrong:
        return f"the gradients of {network} are WRONG: {_named(wrong, 'error')} from finite differences"
    single = [one for one in checked.tensors if one.verdict == "wrong in single"]
    if single:
        return (
            f"the gradients of {network} as training computes them are WRONG: in single precision {_named(single)} "
            f"from those in double precision, which agree with finite differences"
        )
    undecided = [one.name for one in checked.tensors if one.verdict == "undecided"]
    if undecided:
        return f"nothing can be said of the gradient of {_some(undecided)}: every point lies at a corner of the loss"
    return _right(checked, network)


def _right(checked: Checked, network: str) -> str:
    points, corners = (sum(getattr(one, what) for one in checked.tensors) for what in ("points", "corners"))
    left_out = f", {corners} of them left out as corners of the loss" if corners else ""
    largest = max(one.error for one in checked.tensors)
    single = max(one.single for one in checked.tensors)
    return (
        f"the gradients of {network} agree with finite differences on {checked.size}: {counted(points, 'point')} in "
        f"{counted(len(checked.tensors), 'tensor')}{left_out}, relative error at most {number(largest, 1)} (allowed "
        f"{number(TOLERANCE, 1)}); as training computes them, in single precision, within {number(single, 1)} of these"
    )


def _named(tensors: Sequence[TensorCheck], what: str = "single") -> str:
    """Name the tensors whose gradients are furthest off, with the error of the worst."""
    ranked = sorted(tensors, key=lambda one: -float(getattr(one, what)))
    allowed = TOLERANCE if what == "error" else SINGLE_TOLERANCE
    differ = "differs" if len(tensors) == 1 else "differ"
    return (
        f"{_some([one.name for one in ranked])} {differ} by up to {number(float(getattr(ranked[0], what)), 2)} of "
        f"their size (allowed {number(allowed, 1)})"
    )


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return listed([*names[:_SHOWN], *more])


def _error(value: float) -> str:
    """Write an error as a power of ten: what counts is its size."""
    return "–" if value != value else f"{value:.0e}".replace("e-0", "e-").replace("-", "−")  # noqa: PLR0124 - NaN
