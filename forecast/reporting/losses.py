"""What a results table alone says of each forecast, for pages made without the tables of scores."""

from __future__ import annotations

import numpy as np
import pandas as pd


def losses(results: pd.DataFrame) -> pd.Series:
    """Return the bits of each row where it has the `chance` given to what came, else its absolute error.

    The series has the name of the measure, `bits` or `mae`.
    """
    name, values = (
        ("bits", -np.log2(results["chance"].to_numpy(dtype=np.float64)))
        if "chance" in results
        else ("mae", np.abs((results["y"] - results["y_hat"]).to_numpy(dtype=np.float64)))
    )
    return pd.Series(values, index=results.index, name=name)


def mean_losses(results: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean of `losses` over the rows that share the columns `by`: these, and `bits` or `mae`."""
    loss = losses(results)
    means = loss.groupby([results[column] for column in by], observed=True, sort=False).mean()
    return means.reset_index()
