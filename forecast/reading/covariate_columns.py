"""Columns beside the target: numbers as they are, texts as categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import ForecastError
from forecast.reading.cells import is_missing
from forecast.reading.columns import in_order_of_ids
from forecast.reading.targets import is_numeric, match_name
from forecast.reading.values import read_target
from forecast.series.panel import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from forecast.reading.csv_settings import CsvSettings
    from forecast.reading.grid import Grid
    from forecast.reading.layout import Layout
    from forecast.reading.values import Target
    from forecast.series.panel import BoolArray, FloatArray, Role

_CATEGORIES = 1_000
"""Different texts of a column of categories, at most."""


@dataclass(frozen=True, eq=False)
class Covariates:
    """Covariates of a file.

    Attributes
    ----------
    values : (row, channel), NaN where nothing stands; categories as their places
    numbers : the columns of numbers, with the cells that are none
    bad : (row,) rows with such a cell

    """

    channels: tuple[Channel, ...]
    values: FloatArray
    numbers: tuple[Target, ...]
    bad: BoolArray

    @property
    def words(self) -> str:
        """Name them with their roles, and what is a category."""
        return ", ".join(
            f"{one.name} ({one.role}{f', {len(one.categories)} categories' if one.categories else ''})"
            for one in self.channels
        )


def match_covariates(grid: Grid, settings: CsvSettings, layout: Layout) -> dict[str, Role]:
    """Find the columns of `data.past`, `data.future` and `data.static`, each with its role.

    Raises
    ------
    ForecastError
        There is no such column, or one has two roles; or each row is a series, where no column stands beside another.

    """
    roles: dict[str, Role] = {}
    said: dict[Role, tuple[str, ...]] = {
        "past": _names(settings.past),
        "future": _names(settings.future),
        "static": _names(settings.static),
    }
    for role, names in said.items():
        if names and layout == "rows":
            raise ForecastError(
                f"`data.{role}` names columns, and in this file each row is a series (`data.layout=rows`): "
                f"give a long file, or leave it out"
            )
        matched = [match_name(grid.names, name, f"data.{role}") for name in names]
        check_one_role(matched, roles, f"data.{role}")
        roles.update(dict.fromkeys(matched, role))
    return roles


def check_one_role(names: Iterable[str], roles: Mapping[str, Role], setting: str) -> None:
    """Refuse a column that has a role already."""
    for name in names:
        if name in roles:
            raise ForecastError(f"column {name!r} is named in `{setting}` and in `data.{roles[name]}`: leave one out")


def read_covariates(grid: Grid, roles: Mapping[str, Role], settings: CsvSettings, file: str) -> Covariates:
    """Read columns beside the target.

    Raises
    ------
    ForecastError
        A column of texts has more of them than categories can be.

    """
    channels, values, numbers = [], [], []
    for name, role in roles.items():
        if is_numeric(grid, name):
            column = read_target(grid, name, settings, file)
            numbers.append(column)
            channels.append(Channel(name, role))
            values.append(column.values)
        else:
            categories, codes = _categories(grid, name, settings, file)
            channels.append(Channel(name, role, categories))
            values.append(codes)
    bad = np.zeros(len(grid), dtype=np.bool_)
    for column in numbers:
        bad |= column.bad
    table = np.column_stack(values) if values else np.zeros((len(grid), 0))
    return Covariates(tuple(channels), table, tuple(numbers), bad)


def _names(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def _categories(grid: Grid, name: str, settings: CsvSettings, file: str) -> tuple[tuple[str, ...], FloatArray]:
    cells = pc.cast(grid.column(name), pa.string())
    found = [text for text in pc.unique(cells).to_pylist() if text is not None]
    missing = set(settings.missing)
    categories = in_order_of_ids({text for text in found if not is_missing(text) and text not in missing})
    if not categories or len(categories) > _CATEGORIES:
        what = "nothing" if not categories else f"{len(categories):,} different texts"
        raise ForecastError(
            f"column {name!r} of {file!r} should hold numbers or at most {_CATEGORIES:,} categories, found {what}: "
            f"leave it out of `data.past`, `data.future` and `data.static`"
        )
    places = {text: float(i) for i, text in enumerate(categories)}
    return tuple(categories), np.array([places.get(text, np.nan) for text in cells.to_pylist()], dtype=np.float64)
