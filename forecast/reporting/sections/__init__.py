"""The sections of the report, one file each: what it shows, computed from tables; its sentences; its figure.

To add one: a file here with a function that computes its data (plain: strings, numbers, tuples) and one that draws
them, and a line in `SECTIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altair.utils.schemapi import debug_mode

from forecast.reporting.sections import (
    answer,
    calibration,
    data,
    direction,
    effects,
    forecasts,
    gradients,
    last_value,
    passage,
    residuals,
    series,
    steps,
    symbol_errors,
    symbols,
    training,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forecast.reporting.charts import Figure
    from forecast.reporting.material import Material
    from forecast.reporting.summary import Summary


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes
    ----------
    name : its name in a summary
    build : computes its data; None where the tables, or the question, have nothing to show
    draw : makes its figure of these data and what the summary says of all sections

    """

    name: str
    build: Callable[[Material], Any]
    draw: Callable[[Any, Summary], Figure]


SECTIONS = (
    Section("answer", answer.build, answer.draw),
    Section("spread", series.build, series.draw),
    Section("data", data.build, data.draw),
    Section("origins", forecasts.build_origins, forecasts.draw_origins),
    Section("calibration", calibration.build, calibration.draw),
    Section("future", forecasts.build_future, forecasts.draw_future),
    Section("shares", symbols.build_shares, symbols.draw_shares),
    Section("passage", passage.build, passage.draw),
    Section("costs", symbol_errors.build_costs, symbol_errors.draw_costs),
    Section("confusions", symbol_errors.build_confusions, symbol_errors.draw_confusions),
    Section("ahead", symbols.build_ahead, symbols.draw_ahead),
    Section("continuation", passage.build_continuation, passage.draw_continuation),
    Section("probabilities", direction.build_probabilities, direction.draw_probabilities),
    Section("reliability", direction.build_reliability, direction.draw_reliability),
    Section("effects", effects.build, effects.draw),
    Section("steps", steps.build, steps.draw),
    Section("learning", training.build, training.draw),
    Section("gradients", gradients.build, gradients.draw),
    Section("residuals", residuals.build, residuals.draw),
    Section("copy", last_value.build, last_value.draw),
)
"""In the order of the page."""


def build_sections(material: Material) -> dict[str, Any]:
    """Compute the data of every section that has something to show."""
    built = ((section.name, section.build(material)) for section in SECTIONS)
    return {name: contents for name, contents in built if contents is not None}


def draw(summary: Summary) -> Iterator[Figure]:
    """Draw one section of a summary after the other."""
    # Altair checks each part of a chart against its schema while it is made; the tests do that once for all.
    with debug_mode(False):
        for section in SECTIONS:
            if section.name in summary.sections:
                yield section.draw(summary.sections[section.name], summary)
