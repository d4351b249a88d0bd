"""From a name to a baseline: the literal tables of rules, regressors and classifiers, and what builds them.

To add a regressor of scikit-learn, write `conf/baseline/<name>.yaml`; if it is not in `REGRESSORS`, add a line. A
classifier, for symbols, is a line of `CLASSIFIERS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from forecast.errors import ForecastError
from forecast.forecasters.naive import (
    NaiveRule,
    Rule,
    UntrainedReference,
    last_change,
    last_season,
    last_value,
    straight_line,
    window_mean,
)
from forecast.forecasters.ngrams import Ngram
from forecast.forecasters.settings import (
    BaselineSettings,
    ClassifierSettings,
    NgramSettings,
    ReferenceSettings,
    RegressionSettings,
    RuleSettings,
    StatisticalSettings,
    WindowMeanSettings,
)
from forecast.forecasters.statistical import Statistical

if TYPE_CHECKING:
    from forecast.forecasters.interface import Forecaster
    from forecast.questions.problem import Asks

RULES: dict[str, Rule] = {
    "naive": last_value,
    "seasonal_naive": last_season,
    "drift": straight_line,
    "momentum": last_change,
}


class Regressor(NamedTuple):
    """Where a regressor is imported from, whether it predicts several outputs by itself, and what it answers."""

    module: str
    cls: str
    multi_output: bool
    answers: tuple[Asks, ...] = ("value", "direction")


# Written down rather than asked of scikit-learn: the tag of MLPRegressor says one output, and it has many.
REGRESSORS: dict[str, Regressor] = {
    "ada_boost": Regressor("sklearn.ensemble", "AdaBoostRegressor", False),
    "bayesian_ridge": Regressor("sklearn.linear_model", "BayesianRidge", False),
    "decision_tree": Regressor("sklearn.tree", "DecisionTreeRegressor", True),
    "elastic_net": Regressor("sklearn.linear_model", "ElasticNet", True),
    "extra_trees": Regressor("sklearn.ensemble", "ExtraTreesRegressor", True),
    "gaussian_process": Regressor("sklearn.gaussian_process", "GaussianProcessRegressor", True),
    "gradient_boosting": Regressor("sklearn.ensemble", "GradientBoostingRegressor", False),
    "hist_gradient_boosting": Regressor("sklearn.ensemble", "HistGradientBoostingRegressor", False),
    "huber": Regressor("sklearn.linear_model", "HuberRegressor", False),
    "k_neighbors": Regressor("sklearn.neighbors", "KNeighborsRegressor", True),
    "kernel_ridge": Regressor("sklearn.kernel_ridge", "KernelRidge", True),
    "lasso": Regressor("sklearn.linear_model", "Lasso", True),
    "linear": Regressor("sklearn.linear_model", "LinearRegression", True),
    "linear_support_vector": Regressor("sklearn.svm", "LinearSVR", False),
    "logistic": Regressor("forecast.forecasters.classifiers", "LogisticChance", False, ("direction",)),
    "mlp": Regressor("sklearn.neural_network", "MLPRegressor", True),
    "partial_least_squares": Regressor("sklearn.cross_decomposition", "PLSRegression", True),
    "random_forest": Regressor("sklearn.ensemble", "RandomForestRegressor", True),
    "ridge": Regressor("sklearn.linear_model", "Ridge", True),
    "support_vector": Regressor("sklearn.svm", "SVR", False),
}


class ClassifierEntry(NamedTuple):
    """Where a classifier is imported from, whether it takes no sparse columns, and what holds where nothing is said.

    `params` and `choose` stand here rather than in `conf/`: another classifier has not the same parameters.
    """

    module: str
    cls: str
    dense: bool = False
    params: Mapping[str, Any] = MappingProxyType({})
    choose: Mapping[str, Sequence[Any]] = MappingProxyType({})


CLASSIFIERS: dict[str, ClassifierEntry] = {
    "extra_trees": ClassifierEntry("sklearn.ensemble", "ExtraTreesClassifier"),
    "hist_gradient_boosting": ClassifierEntry("sklearn.ensemble", "HistGradientBoostingClassifier", dense=True),
    "k_neighbors": ClassifierEntry("sklearn.neighbors", "KNeighborsClassifier"),
    "logistic": ClassifierEntry(
        "sklearn.linear_model", "LogisticRegression", params={"max_iter": 300}, choose={"C": [0.1, 1.0, 10.0]}
    ),
    "mlp": ClassifierEntry("sklearn.neural_network", "MLPClassifier"),
    "naive_bayes": ClassifierEntry("sklearn.naive_bayes", "BernoulliNB"),
    "random_forest": ClassifierEntry("sklearn.ensemble", "RandomForestClassifier"),
}


Entry = TypeVar("Entry", Regressor, ClassifierEntry)


def why_unanswered(settings: BaselineSettings, asks: Asks) -> str:
    """Say why a baseline does not answer a question, "" where it does."""
    if asks == "symbol" or isinstance(settings, NgramSettings | ClassifierSettings):
        return _why_not_symbols(settings, asks)
    match settings:
        case RegressionSettings():
            entry = REGRESSORS.get(settings.regressor)
            if entry is not None and asks not in entry.answers:
                return f"says how likely a rise is, and is asked for the {asks}: say `model.head=direction`, or drop it"
        case RuleSettings(method="naive") if asks == "direction":
            return "repeats the last value, which is never higher than itself"
        case StatisticalSettings() if asks == "direction":
            return "forecasts values, and in training none from which its directions could be counted"
    return ""


def _why_not_symbols(settings: BaselineSettings, asks: Asks) -> str:
    """Say why one of a question and a baseline is of symbols and the other is not, "" where both are."""
    match settings:
        case NgramSettings() | ClassifierSettings():
            said = f"says how likely each symbol is, and is asked for the {asks}: say `model.head=categorical`"
            return "" if asks == "symbol" else f"{said}, or drop it"
        case RegressionSettings(regressor="logistic"):
            return "says how likely a rise is: of symbols `baseline=[softmax]` says it"
    return "for values, and symbols have none"


def build_baseline(settings: BaselineSettings, seed: int) -> Forecaster:
    """Make the forecaster that the settings describe.

    Raises
    ------
    ForecastError
        A regressor, a classifier or a parameter that is not there, with the nearest name.

    """
    match settings:
        case RuleSettings():
            return NaiveRule(settings.name, RULES[settings.method])
        case WindowMeanSettings():
            return window_mean(settings.name, settings.window_steps)
        case ReferenceSettings():
            return UntrainedReference(settings.name, settings.reference)
        case RegressionSettings() | ClassifierSettings():
            return _of_scikit_learn(settings, seed)
        case StatisticalSettings():
            return Statistical(settings.name, settings.method, settings.time_limit_s, settings.max_steps)
        case NgramSettings():
            return Ngram(settings.name, settings.order)


def _of_scikit_learn(settings: RegressionSettings | ClassifierSettings, seed: int) -> Forecaster:
    # scikit-learn takes a second to import; a job without it does not pay that.
    from forecast.forecasters.classifying import Classifier  # noqa: PLC0415
    from forecast.forecasters.regression import Regression  # noqa: PLC0415

    shared: dict[str, Any] = {
        "name": settings.name,
        "choose": settings.choose,
        "max_windows": settings.max_windows,
        "seed": seed,
    }
    if isinstance(settings, ClassifierSettings):
        classified = _entry(settings, "classifier", settings.classifier, CLASSIFIERS)
        usual = {key: values for key, values in classified.choose.items() if key not in settings.params}
        shared |= {"lags": settings.lags, "dense": classified.dense, "choose": settings.choose or usual}
        settings = settings.model_copy(update={"params": {**classified.params, **settings.params}})
        return Classifier(classifier=_estimator(settings, classified), **shared)
    entry = _entry(settings, "regressor", settings.regressor, REGRESSORS)
    shared |= {"reference": settings.reference, "multi_output": entry.multi_output, "answers": entry.answers}
    return Regression(regressor=_estimator(settings, entry), **shared)


def _entry(settings: BaselineSettings, key: str, name: str, table: Mapping[str, Entry]) -> Entry:
    """Look up a name of a table that a key says."""
    if name not in table:
        raise ForecastError(f"`baseline.{settings.name}.{key}` {_no_such(name, table)}")
    return table[name]


def _estimator(settings: RegressionSettings | ClassifierSettings, entry: Regressor | ClassifierEntry) -> Any:
    """Make the unfitted estimator of a table's line; what is chosen of it has to be there as well."""
    where = f"`baseline.{settings.name}"
    estimator = cast("Any", getattr(import_module(entry.module), entry.cls))()
    known = estimator.get_params()
    for part, names in (("params", settings.params), ("choose", settings.choose)):
        for key in names:
            if key not in known:
                raise ForecastError(f"{where}.{part}.{key}`: {entry.cls} {_no_such(key, known)}")
    for key, values in settings.choose.items():
        if not values:
            raise ForecastError(f"{where}.choose.{key}` should list at least one value, found none")
    return estimator.set_params(**settings.params)


def _no_such(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
    return f"does not know {name!r}: {hint}"
