"""How sure the forecasts are: whether intervals hold what they should, and where in its forecast the truth came to lie.

Coverage is the share of what came that an interval holds. PIT, the probability integral transform, is where in the
forecast's distribution the truth lies, 0 at its lower end and 1 at its upper; where the distribution is right, each
tenth of it holds a tenth of what came (Dawid 1984; Gneiting, Balabdaoui and Raftery 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.intervals import probability_transform
from forecast.reporting.fans import levels_of, pairs, percent
from forecast.reporting.lines import rounded
from forecast.wording import counted, listed, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from forecast.reporting.sections import Roles

_COMPARED = 0.9
"""The interval that is spoken of."""
_BINS = 10
_RIGHT = "about right"


@dataclass(frozen=True)
class ModelCoverage:
    """What share of the truth a model's intervals hold, and their mean width (None: infinite), by nominal share."""

    model: str
    coverage: tuple[float | None, ...]
    width: tuple[float | None, ...]


@dataclass(frozen=True)
class CalibrationSection:
    """Coverage of all models at each `nominal` share; `pit` is of the network, ten shares or nothing."""

    says: str
    nominal: tuple[float, ...]
    models: tuple[ModelCoverage, ...]
    pit: tuple[float, ...]


def calibration_section(
    coverage: pd.DataFrame, pit: pd.DataFrame, sentences: Mapping[str, str], roles: Roles
) -> CalibrationSection | None:
    """Show `coverage` (`model, nominal, coverage, width`) and `pit` (`model, bin, share`); None where there is none.

    `sentences` say of models whether their intervals are too narrow; where `coverage` has a column `judged`, the
    other models are counted by it.
    """
    known = coverage.dropna(subset=["coverage"])
    if known.empty:
        return None
    shown = known.assign(model=known["model"].astype(str))
    held = shown.pivot_table(index="model", columns="nominal", values="coverage")
    width = shown.pivot_table(index="model", columns="nominal", values="width", aggfunc="mean", dropna=False)
    width = width.reindex(index=held.index, columns=held.columns)
    others = [name for name in held.index if name not in roles.named()]
    order = [name for name in (*roles.named(), *others) if name in held.index]
    models = tuple(ModelCoverage(m, rounded(held.loc[m].to_numpy()), rounded(width.loc[m].to_numpy())) for m in order)
    nominal = tuple(float(share) for share in held.columns)
    shares = _pit_of(pit, roles.network)
    says = " ".join(
        part
        for part in (
            *(_sentence(sentences[name]) for name in roles.named() if name in sentences),
            _others_in_words(known, roles),
            _widths_in_words(models, nominal, roles),
            _pit_in_words(shares, roles.network),
        )
        if part
    )
    return CalibrationSection(says, nominal, models, shares)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _others_in_words(coverage: pd.DataFrame, roles: Roles) -> str:
    """Count the models without a colour whose 90 % intervals are off, and say what is meant by about right."""
    if "judged" not in coverage:
        return ""
    ninety = coverage[np.isclose(coverage["nominal"], _COMPARED)]
    others = ninety[~ninety["model"].isin(roles.named())]
    counts = [(how, int((others["judged"] == how).sum())) for how in ("too narrow", "too wide", _RIGHT)]
    told = [f"{count} {'is' if count == 1 else 'are'} {how}" for how, count in counts if count]
    says, whose = "", f"the {percent(_COMPARED)} intervals of {counted(len(others), 'other model')}"
    if len(told) == 1 and len(others) > 1:
        says = f"T{whose[1:]} are {next(how for how, count in counts if count)}."
    elif told:
        says = f"Of {whose}, {listed(told)}."
    if (ninety["judged"] == _RIGHT).any():
        says += (
            f" {_RIGHT.capitalize()} is what chance alone may explain: origins whose horizons overlap tell little new."
        )
    return says.strip()


def _pit_of(pit: pd.DataFrame, network: str) -> tuple[float, ...]:
    mine = pit[pit["model"].astype(str) == network].sort_values("bin")["share"].to_numpy(dtype=np.float64)
    return tuple(float(f"{share:.6g}") for share in mine) if len(mine) and np.isfinite(mine).all() else ()


def _widths_in_words(models: Sequence[ModelCoverage], nominal: tuple[float, ...], roles: Roles) -> str:
    """Compare the widths of network and baseline; that alone says nothing, hence the condition."""
    at = next((i for i, share in enumerate(nominal) if abs(share - _COMPARED) < 1e-9), None)
    widths = {one.model: one.width[at] for one in models} if at is not None else {}
    mine, theirs = widths.get(roles.network), widths.get(str(roles.baseline))
    if not mine or not theirs:
        return ""
    ratio = mine / theirs
    wide = "about as wide" if 0.95 < ratio < 1.05 else f"{number(ratio, 2)} times as wide"
    return (
        f"The {percent(_COMPARED)} intervals of {roles.network} are {wide} as those of {roles.baseline}; "
        f"of intervals that hold what they should, the narrower are better."
    )


def _pit_in_words(shares: tuple[float, ...], network: str) -> str:
    if not shares:
        return ""
    ends, right = round(shares[0] + shares[-1], 2), 2 / len(shares)
    return (
        f"Of what came, {percent(ends)} lies in the lowest and the highest part of what {network} forecasts; "
        f"{percent(right)} is right."
    )


def coverage_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage and mean width, in units of the data, of the intervals in a table with columns of quantiles."""
    columns = levels_of(rows)
    known = rows.dropna(subset=["y"])
    tables = []
    for low, high in pairs(columns):
        ends = known.dropna(subset=[columns[low], columns[high]])
        table = pd.DataFrame(
            {
                "model": ends["model"].astype(str),
                "coverage": ends["y"].between(ends[columns[low]], ends[columns[high]]).astype(np.float64),
                "width": ends[columns[high]] - ends[columns[low]],
            }
        )
        tables.append(table.groupby("model", sort=False).mean().reset_index().assign(nominal=round(high - low, 9)))
    empty = pd.DataFrame({"model": [], "coverage": [], "width": [], "nominal": []})
    return pd.concat(tables, ignore_index=True) if tables else empty


def pit_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Shares of the truth in each tenth of the distributions in a table with columns of quantiles."""
    columns = levels_of(rows)
    if not columns:
        return pd.DataFrame({"model": [], "bin": [], "share": []})
    known = rows.dropna(subset=["y", *columns.values()])
    quantiles = known[[*columns.values()]].to_numpy(dtype=np.float64)
    at = probability_transform(known["y"].to_numpy(dtype=np.float64), quantiles, (*columns,))
    told = pd.DataFrame({"model": known["model"].astype(str), "bin": np.minimum((at * _BINS) // 1, _BINS - 1)}).dropna()
    shares = pd.crosstab(told["model"], told["bin"], normalize="index").reindex(columns=range(_BINS), fill_value=0.0)
    return shares.reset_index().melt(id_vars="model", var_name="bin", value_name="share")
