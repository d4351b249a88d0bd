"""A made-up run of two models that forecast symbols, with probabilities drawn at random."""

import numpy as np
import pandas as pd

from forecast.questions.kinds import SYMBOL

STRANGE = (
    "<script>alert(1)</script>",
    "&",
    "\"'",
    "\x07",
    "\u1161",
    "\u0301",
    "\u202e",
    "\u2028",
    "한",
    "\n",
    " ",
    "a",
)
"""Not in the order of code points, as they would be in a panel: no picture may rely on it."""


def made_up_symbols(symbols=STRANGE, *, steps=3, origins=120, stride=1, ids=("y",), seed=0):
    """Return the keyword arguments of `build_summary`, and the probabilities (model, series, origin, step, symbol)."""
    rng = np.random.default_rng(seed)
    size = len(symbols)
    probabilities = rng.dirichlet(np.full(size, 0.4), (2, len(ids), origins, steps)) * 0.98 + 0.02 / size
    times = np.arange(700 + origins * stride + steps)
    y = rng.integers(0, size, (len(ids), len(times))).astype(float)
    y[:, :size] = np.arange(size)
    y[0, 703] = np.nan
    part = np.repeat(["training", "validation", "test"], [500, 200, len(times) - 700])
    tables = []
    for m, model in enumerate(("lstm", "bigram")):
        for i, uid in enumerate(ids):
            for k in range(origins):
                cutoff = 699 + k * stride
                for h in range(steps):
                    code, p = y[i, cutoff + h + 1], probabilities[m, i, k, h]
                    row = (model, uid, cutoff, cutoff + h + 1, h + 1, code, float(p.argmax()))
                    tables.append((*row, np.nan if np.isnan(code) else p[int(code)]))
    columns = ["model", "unique_id", "cutoff", "ds", "step", "y", "y_hat", "chance"]
    results = pd.DataFrame(tables, columns=columns).astype({"model": "category", "unique_id": "category"})
    ahead = [
        (uid, times[-1] + 1 + h, model, symbols[code], probabilities[m, i, -1, h, code])
        for m, model in enumerate(("lstm", "bigram"))
        for i, uid in enumerate(ids)
        for h in range(steps)
        for code in np.argsort(-probabilities[m, i, -1, h])
    ]
    run = {
        "results": results,
        "series": pd.DataFrame(
            {
                "unique_id": np.repeat(ids, len(times)),
                "ds": np.tile(times, len(ids)),
                "y": y.ravel(),
                "split": np.tile(part, len(ids)),
            }
        ),
        "forecast": pd.DataFrame(ahead, columns=["unique_id", "ds", "model", "symbol", "y_hat"]),
        "history": pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.5], "validation_loss": [2.2, np.log(4)]}),
        "network": "lstm",
        "baseline": "bigram",
        "question": SYMBOL,
        "symbols": tuple(symbols),
    }
    return run, probabilities
