"""The questions that a forecast can answer: value, direction, symbol. One object each; the layers ask it.

A question says what the outcome of a step is, how a forecast of it is scored and ranked, which heads and baselines
answer it, what it refuses and why, and how it is called. CONTRIBUTING.md (A fourth question) says how to add one.

The command line reads names from here before numpy is loaded, so that arithmetic is imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from forecast.questions.value_range import ANY_VALUE, ValueRange

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    import pandas as pd

    from forecast.series.panel import BoolArray, FloatArray, IntArray, Panel


TargetType: TypeAlias = Literal["value", "direction", "symbol"]
"""What is forecast of each step ahead: its value; whether it is higher than at the origin, as a probability; or which
symbol it is, as a probability of each."""

BASE_RATE = "base_rate"
"""The baseline that forecasts each outcome by its share in training, whatever the past."""


class Question:
    """The question of values, and the base class of the others.

    Attributes
    ----------
    name : its name in settings and tables
    phrase : what is forecast, in sentences ("left out of the direction: ...")
    says : what a forecaster of it says ("says how likely a rise is, and is asked for the value")
    noun : one outcome ("3 symbols can be compared")
    announcement : printed before training, "" where it goes without saying
    heads : names of `model.head` that answer it
    baselines : names of baselines that run besides those that a job names
    ranked_by, shown_beside : the metric that models are ranked by, and the one that stands beside it in a sentence
    ranked_by_label : how sentences write the first; "" where it is its name in capitals
    plain_baseline : the parameter-free forecaster that a network has to beat as well
    scored_column : the column of a results table that is scored against `y`
    forecasts_probabilities : `Forecasts.y_hat` holds probabilities or codes, so that there are no intervals, no
        revisions and no test for copies of the last value
    binary : the outcome is 0 or 1, the forecast the probability of 1
    categorical : the outcome is one of several symbols, the forecast a probability of each
    not_fed_back, not_averaged : why a forecast is not fed back into the network, or averaged over origins; "" where it
        can be
    refused, values_refused : why a baseline does not answer, by its name; why no forecaster of values does

    """

    name: ClassVar[TargetType] = "value"
    phrase: ClassVar[str] = "the values"
    says: ClassVar[str] = "how large the values are"
    noun: ClassVar[str] = "value"
    announcement: ClassVar[str] = ""
    heads: ClassVar[tuple[str, ...]] = ("point", "quantile", "gaussian", "student_t", "negative_binomial")
    baselines: ClassVar[tuple[str, ...]] = ()
    ranked_by: ClassVar[str] = "mase"
    ranked_by_label: ClassVar[str] = ""
    shown_beside: ClassVar[str] = "mae"
    plain_baseline: ClassVar[str] = "naive"
    scored_column: ClassVar[str] = "y_hat"
    forecasts_probabilities: ClassVar[bool] = False
    binary: ClassVar[bool] = False
    categorical: ClassVar[bool] = False
    not_fed_back: ClassVar[str] = ""
    not_averaged: ClassVar[str] = ""
    refused: ClassVar[Mapping[str, str]] = {}
    values_refused: ClassVar[str] = ""

    def __repr__(self) -> str:
        """Show its name."""
        return f"<question {self.name}>"

    def symbols(self, categories: tuple[str, ...]) -> tuple[str, ...]:
        """Return the symbols that are forecast: the target's categories, or none where numbers are forecast."""
        return categories if self.categorical else ()

    def outcomes(self, panel: Panel, rows: IntArray, horizon: int) -> FloatArray:
        """Return the outcomes of the steps after some rows, (row,) -> (row, horizon), NaN where not observed."""
        import numpy as np

        ahead = rows[:, None] + np.arange(1, horizon + 1)  # (row, horizon)
        return panel.target_or_nan(ahead)

    def implied(self, values: FloatArray, origin: FloatArray) -> BoolArray:
        """Return whether forecasts of values imply the outcome 1; (origin, horizon) and the origins' values (origin,).

        Only a question with two outcomes (`binary`) has an answer.
        """
        raise NotImplementedError

    def loss(self, results: pd.DataFrame) -> pd.Series:
        """Return the loss of each row of a results table: `ranked_by` averages it, significance tests compare it."""
        return (results["y"] - results["y_hat"]).abs()

    def scored(self, forecasts: FloatArray, y: FloatArray) -> FloatArray:
        """Return the values of `scored_column`, (..., origin, step), for forecasts of `y`, (origin, step)."""
        return forecasts

    def problem_with(self, y_hat: FloatArray, probabilities: FloatArray | None, symbols: int) -> str:
        """Say what is wrong with (finite) forecasts, "" where they are of the right kind."""
        return ""

    def training_targets(
        self,
        ahead: FloatArray,
        exists: BoolArray,
        origin: tuple[FloatArray, BoolArray],
        reference: Callable[[], tuple[FloatArray, FloatArray]],
    ) -> tuple[FloatArray, BoolArray]:
        """Return the training target of each fork, and whether it exists; both (row, horizon).

        For values it is (y - reference) / scale. `ahead`, the values after each row, is overwritten. `origin` holds
        the value at each row and whether it was observed, both (row,); `reference()` returns the reference's
        forecasts, (row, horizon), and the scale, (row,).
        """
        forecast, scale = reference()
        ahead -= forecast
        ahead /= scale[:, None]  # (row, horizon)
        ahead[~exists] = 0.0
        return ahead, exists

    def base_rates(self, past: Panel, train_steps: IntArray, horizon: int) -> FloatArray | None:
        """Return the share of each outcome in training, where an untrained head begins; None: at the reference."""
        return None

    def refusal(self, baseline: str, answers: tuple[TargetType, ...]) -> str:
        """Say why a baseline, by its name and the questions it answers, does not answer this one; "" if it does."""
        if self.name in answers:
            return ""
        if baseline in self.refused:
            return self.refused[baseline]
        if self.values_refused and "value" in answers:
            return self.values_refused
        other = QUESTIONS[answers[0]]
        return f"says {other.says}, and is asked for the {self.name}: set `model.head={other.heads[0]}`, or drop it"


class Direction(Question):
    """Whether the target is higher at each step ahead than at the origin (1; the same or lower: 0)."""

    name = "direction"
    phrase = "the direction"
    says = "how likely a rise is"
    announcement = (
        "forecast is the probability that the target will be higher at each step than at the origin (1; the same or "
        "lower: 0)"
    )
    heads = ("direction",)
    baselines = ("momentum", "closed_form", "logistic")
    ranked_by = "brier"
    ranked_by_label = "Brier score"
    shown_beside = "accuracy"
    plain_baseline = BASE_RATE
    forecasts_probabilities = True
    binary = True
    not_fed_back = "says of each step whether it is higher, which is nothing to be read as its value"
    not_averaged = (
        "compares with each origin's own value, so that forecasts of several origins are of different questions"
    )
    refused: ClassVar[Mapping[str, str]] = {"naive": "repeats the last value, which is never higher than itself"}
    values_refused = "forecasts values, and in training none from which its directions could be counted"

    def outcomes(self, panel: Panel, rows: IntArray, horizon: int) -> FloatArray:
        """Return 1 where the target has risen since the row, else 0."""
        from forecast.questions.outcomes import risen

        return risen(panel, rows, horizon)

    def implied(self, values: FloatArray, origin: FloatArray) -> BoolArray:
        """Return whether a forecast lies above the value at its origin."""
        higher: BoolArray = values > origin[:, None]
        return higher

    def loss(self, results: pd.DataFrame) -> pd.Series:
        """Squared error of the probability: its mean is the Brier score."""
        return (results["y"] - results["y_hat"]).abs() ** 2

    def problem_with(self, y_hat: FloatArray, probabilities: FloatArray | None, symbols: int) -> str:
        """Demand a probability."""
        if ((y_hat >= 0) & (y_hat <= 1)).all():
            return ""
        return "it forecasts values, and was asked how likely the target rises, a number from 0 to 1"

    def training_targets(
        self,
        ahead: FloatArray,
        exists: BoolArray,
        origin: tuple[FloatArray, BoolArray],
        reference: Callable[[], tuple[FloatArray, FloatArray]],
    ) -> tuple[FloatArray, BoolArray]:
        """Return 1 where the value is higher than at the row, else 0; it exists where both were observed."""
        value, observed = origin
        exists = exists & observed[:, None]
        return (exists & (ahead > value[:, None])).astype(ahead.dtype), exists

    def base_rates(self, past: Panel, train_steps: IntArray, horizon: int) -> FloatArray:
        """Return the share of rises, (horizon,)."""
        from forecast.questions.outcomes import rise_rates

        return rise_rates(past, train_steps, horizon)


class Symbol(Question):
    """Which symbol of an alphabet comes at each step ahead, as a probability of each."""

    name = "symbol"
    phrase = "the symbols"
    says = "how likely each symbol is"
    noun = "symbol"
    announcement = "forecast is the probability of each symbol at each step"
    heads = ("categorical",)
    baselines = ("trigram", "ngram", "softmax")
    ranked_by = "bits"
    ranked_by_label = "bits a symbol"
    shown_beside = "accuracy"
    plain_baseline = BASE_RATE
    scored_column = "chance"
    forecasts_probabilities = True
    categorical = True
    not_fed_back = "says of each step how likely each symbol is, which is no symbol to be read"
    not_averaged = "says the probabilities of all symbols, which the origin that knows most says best"
    refused: ClassVar[Mapping[str, str]] = {
        "logistic": "says how likely a rise is: of symbols `baseline=[softmax]` says it"
    }
    values_refused = "for values, and symbols have none"

    def loss(self, results: pd.DataFrame) -> pd.Series:
        """Return the bits that coding the symbol would have cost, -log2 p."""
        import numpy as np

        bits: pd.Series = -np.log2(results["chance"])
        return bits

    def scored(self, forecasts: FloatArray, y: FloatArray) -> FloatArray:
        """Return the probability of the symbol that came, (..., origin, step, symbol) -> (..., origin, step)."""
        from forecast.questions.outcomes import probability_of

        return probability_of(forecasts, y)

    def problem_with(self, y_hat: FloatArray, probabilities: FloatArray | None, symbols: int) -> str:
        """Demand a probability above 0 of each symbol: one of 0 that comes true would cost infinitely many bits."""
        import numpy as np

        expected = (*y_hat.shape, symbols)
        if probabilities is None or probabilities.shape != expected:
            shape = "none" if probabilities is None else probabilities.shape
            return f"it was asked for probabilities of symbols, {expected}, found {shape}"
        if not (probabilities > 0).all() or not np.allclose(probabilities.sum(axis=-1), 1.0):
            return "its probabilities of symbols should be above 0 and add up to 1"
        return ""

    def training_targets(
        self,
        ahead: FloatArray,
        exists: BoolArray,
        origin: tuple[FloatArray, BoolArray],
        reference: Callable[[], tuple[FloatArray, FloatArray]],
    ) -> tuple[FloatArray, BoolArray]:
        """Return the codes of the symbols, 0 where none was observed."""
        import numpy as np

        return np.where(exists, ahead, 0.0), exists

    def base_rates(self, past: Panel, train_steps: IntArray, horizon: int) -> FloatArray:
        """Return the share of each symbol, (horizon, symbol)."""
        from forecast.questions.outcomes import alphabet_size, symbol_base_rates

        return symbol_base_rates(past, train_steps, horizon, alphabet_size(past))


VALUE, DIRECTION, SYMBOL = Question(), Direction(), Symbol()
QUESTIONS: Mapping[str, Question] = {question.name: question for question in (VALUE, DIRECTION, SYMBOL)}
"""Every question by its name."""

RANKING_METRICS = tuple(question.ranked_by for question in QUESTIONS.values())
"""The metrics that models are ranked by, one a question."""

HEADS = tuple(head for question in QUESTIONS.values() for head in question.heads)
"""Every name of `model.head`."""


def question_of_head(head: str) -> Question:
    """Return the question that a head answers.

    >>> question_of_head("quantile"), question_of_head("categorical")
    (<question value>, <question symbol>)
    """
    return next((question for question in QUESTIONS.values() if head in question.heads), VALUE)


def question_of_scores(columns: Container[str]) -> Question:
    """Return the question whose ranking metric is among the columns of a table of scores.

    >>> question_of_scores(["mae", "mase"]), question_of_scores(["bits"])
    (<question value>, <question symbol>)
    """
    return next((question for question in QUESTIONS.values() if question.ranked_by in columns), VALUE)


def metric_label(name: str) -> str:
    """Write the name of a metric that models are ranked by.

    >>> metric_label("mase"), metric_label("brier")
    ('MASE', 'Brier score')
    """
    labels = (question.ranked_by_label for question in QUESTIONS.values() if question.ranked_by == name)
    return next(labels, "") or name.upper()


@dataclass(frozen=True)
class Problem:
    """The forecasting problem that every forecaster is given: horizon, context, season (in steps), and question.

    Attributes
    ----------
    season_steps : 1 where the series have no season
    target_type : the name of the question that is answered
    value_range : what forecast values are moved into
    lags, leads : steps before and after a step of the horizon at which covariates known ahead are read for it as well

    """

    horizon: int
    context_steps: int
    season_steps: int = 1
    target_type: TargetType = "value"
    value_range: ValueRange = ANY_VALUE
    lags: int = 0
    leads: int = 0

    @property
    def question(self) -> Question:
        """What is forecast of each step: the object that every layer asks."""
        return QUESTIONS[self.target_type]

    @property
    def unseasonal_values(self) -> bool:
        """Whether values without a season are forecast: no term of a season says where such a series stands."""
        return self.season_steps == 1 and not self.question.forecasts_probabilities
