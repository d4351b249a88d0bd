"""What settings of the data mean together with the question that is asked of them: symbols, or numbers.

Codes of symbols have no size: they are compared, and never added, averaged or taken the logarithm of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecast.errors import ForecastError
from forecast.reading.data_settings import AdditionSettings, CsvSettings, TextSettings

if TYPE_CHECKING:
    from forecast.reading.data_settings import DataSettings, RowSettings


def check_not_averaged(settings: RowSettings) -> None:
    """Refuse what would make means or sums of symbols.

    Raises
    ------
    ForecastError
        The setting, and what to say instead.

    """
    wrong = {
        "data.on_gaps=interpolate": settings.on_gaps == "interpolate",
        "data.on_duplicates=mean": settings.on_duplicates == "mean",
        f"data.resample_how={settings.resample_how}": bool(settings.resample) and settings.resample_how != "last",
        "data.transform=log": settings.transform == "log",
    }
    instead = ("`data.on_gaps=mask` or `previous`", "`first` or `last`", "`data.resample_how=last`", "`none`")
    for (said, found), better in zip(wrong.items(), instead, strict=True):
        if found:
            raise ForecastError(
                f"`{said}` reckons with values, and symbols are none (`data.symbols=true`): say {better}"
            )


def settled_symbols(data: DataSettings, head: str, *, wanted: bool) -> DataSettings:
    """Read symbols where the head asks for them (`data.symbols=null`); refuse data that do not answer its question.

    Raises
    ------
    ForecastError
        Symbols are read and numbers asked, or the other way round.

    """
    if isinstance(data, CsvSettings):
        if data.symbols is None:
            return data.model_copy(update={"symbols": True}) if wanted else data
        given, said = data.symbols, f"data.symbols={str(data.symbols).lower()}"
    else:
        given, said = isinstance(data, (TextSettings, AdditionSettings)), f"data={data.name}"
    if given and not wanted:
        raise ForecastError(
            f"`{said}` reads symbols, and `model.head={head}` forecasts numbers: say `model.head=categorical`"
            + (", or `data.symbols=false`" if isinstance(data, CsvSettings) else "")
        )
    if wanted and not given:
        raise ForecastError(
            f"`model.head={head}` forecasts symbols, and `{said}` reads numbers: say another `model.head`, or "
            + ("`data.symbols=true`" if isinstance(data, CsvSettings) else "give symbols (`data.path=`, `data=text`)")
        )
    return data
