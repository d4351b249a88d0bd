"""From a name to a baseline: the tables of methods, regressors and classifiers, and what builds them.

A naive rule is a function of `naive.py` and a line of `METHODS`; a regressor of scikit-learn a line of `REGRESSORS`;
each has its `conf/baseline/<name>.yaml`. Baselines of one's own are registered from outside (`register_baseline`).
Modules are imported when something of theirs is built: the command line reads the tables at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias, TypeVar, cast

from pydantic import BeforeValidator, SerializeAsAny

from forecast.errors import ForecastError
from forecast.forecasters.settings import (
    ClassifierSettings,
    NamedSettings,
    NetworkBaselineSettings,
    NgramSettings,
    PretrainedBaselineSettings,
    ReferenceSettings,
    RegressionSettings,
    RuleSettings,
    StatisticalSettings,
    WindowMeanSettings,
)
from forecast.settings import OneOf
from forecast.wording import did_you_mean

if TYPE_CHECKING:
    from forecast.forecasters.interface import Forecaster
    from forecast.questions.kinds import Question, TargetType


class Regressor(NamedTuple):
    """Where a regressor is imported from, whether it predicts several outputs, and the questions it answers."""

    module: str
    cls: str
    multi_output: bool
    answers: tuple[TargetType, ...] = ("value", "direction")


# `multi_output` is not taken from tags of scikit-learn: that of MLPRegressor says one output, and it has many.
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
    "logistic": Regressor("forecast.forecasters.estimators", "LogisticProbability", False, ("direction",)),
    "mlp": Regressor("sklearn.neural_network", "MLPRegressor", True),
    "partial_least_squares": Regressor("sklearn.cross_decomposition", "PLSRegression", True),
    "random_forest": Regressor("sklearn.ensemble", "RandomForestRegressor", True),
    "ridge": Regressor("sklearn.linear_model", "Ridge", True),
    "support_vector": Regressor("sklearn.svm", "SVR", False),
}


class ClassifierEntry(NamedTuple):
    """Where a classifier is imported from, whether it takes no sparse columns, and its defaults.

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


_Entry = TypeVar("_Entry", Regressor, ClassifierEntry)


class Method(NamedTuple):
    """Settings of a baseline of this method, how it is built with a seed, and the questions it answers."""

    settings: type[NamedSettings]
    build: Callable[[Any, int], Forecaster]
    answers: tuple[TargetType, ...] = ("value",)


def _rule(function: str, *answers: TargetType) -> Method:
    """Return the method of a rule of `naive.py`, which has no settings but its name."""

    def build(settings: NamedSettings, seed: int) -> Forecaster:
        from forecast.forecasters import naive  # noqa: PLC0415

        return naive.NaiveRule(settings.name, getattr(naive, function))

    return Method(RuleSettings, build, answers)


def _window_mean(settings: WindowMeanSettings, seed: int) -> Forecaster:
    from forecast.forecasters.naive import window_mean  # noqa: PLC0415

    return window_mean(settings.name, settings.window_steps)


def _reference(settings: ReferenceSettings, seed: int) -> Forecaster:
    from forecast.forecasters.naive import UntrainedReference  # noqa: PLC0415

    return UntrainedReference(settings.name, settings.reference)


def _statistical(settings: StatisticalSettings, seed: int) -> Forecaster:
    from forecast.forecasters.statistical import Statistical  # noqa: PLC0415

    return Statistical(settings.name, settings.method, settings.time_limit_s, settings.max_steps)


def _pretrained(settings: PretrainedBaselineSettings, seed: int) -> Forecaster:
    from forecast.forecasters.pretrained import Pretrained, Tuning  # noqa: PLC0415

    return Pretrained(settings.name, "network", tuning=Tuning(seed)) if settings.start else Pretrained(settings.name)


def _calendar(settings: NamedSettings, seed: int) -> Forecaster:
    from forecast.forecasters.calendar_regression import CalendarRegression  # noqa: PLC0415

    return CalendarRegression(settings.name)


def _network(settings: NetworkBaselineSettings, seed: int) -> Forecaster:
    from forecast.forecasters.recurrent import NamedNetwork, Recurrent  # noqa: PLC0415
    from forecast.network.settings import CELLS  # noqa: PLC0415

    cell: Any = CELLS[settings.cell].settings.model_validate({"hidden_size": settings.hidden_size})
    return NamedNetwork(settings.name, Recurrent(cell, seed=seed))


def _ngram(settings: NgramSettings, seed: int) -> Forecaster:
    from forecast.forecasters.ngrams import Ngram  # noqa: PLC0415

    return Ngram(settings.name, settings.order)


def _of_scikit_learn(settings: RegressionSettings | ClassifierSettings, seed: int) -> Forecaster:
    # scikit-learn takes a second to import; a job without it does not pay that.
    from forecast.forecasters.classification import Classifier  # noqa: PLC0415
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


METHODS: dict[str, Method] = {
    "naive": _rule("last_value", "value"),
    "seasonal_naive": _rule("last_season", "value", "direction"),
    "drift": _rule("straight_line", "value", "direction"),
    "momentum": _rule("last_change", "value", "direction"),
    "window_mean": Method(WindowMeanSettings, _window_mean, ("value", "direction")),
    "reference": Method(ReferenceSettings, _reference, ("value", "direction")),
    "pretrained": Method(PretrainedBaselineSettings, _pretrained),
    "calendar_regression": Method(RuleSettings, _calendar),
    "network": Method(NetworkBaselineSettings, _network),
    "regression": Method(RegressionSettings, _of_scikit_learn, ("value", "direction")),
    **dict.fromkeys(("auto_ets", "auto_arima", "auto_theta", "kalman"), Method(StatisticalSettings, _statistical)),
    "ngram": Method(NgramSettings, _ngram, ("symbol",)),
    "classifier": Method(ClassifierSettings, _of_scikit_learn, ("symbol",)),
}
"""Every method of a baseline by its name in `baseline.<name>.method`."""

BASELINES = OneOf("method", {name: method.settings for name, method in METHODS.items()})

if TYPE_CHECKING:
    BaselineSettings: TypeAlias = NamedSettings
else:
    BaselineSettings = Annotated[SerializeAsAny[NamedSettings], BeforeValidator(BASELINES.check), BASELINES]

SHIPPED: dict[str, BaselineSettings] = {
    "momentum": RuleSettings(name="momentum", method="momentum"),
    "closed_form": ReferenceSettings(name="closed_form", method="reference"),
    "logistic": RegressionSettings(
        name="logistic",
        method="regression",
        regressor="logistic",
        params={"max_iter": 1000},
        choose={"C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
        max_windows=5000,
    ),
    "trigram": NgramSettings(name="trigram", method="ngram", order=3),
    "ngram": NgramSettings(name="ngram", method="ngram"),
    "softmax": ClassifierSettings(name="softmax", method="classifier"),
}
"""Baselines that a question asks by itself (`Question.baselines`)."""


def register_baseline(
    method: str,
    build: Callable[[Any, int], Forecaster],
    *,
    settings: type[NamedSettings] = RuleSettings,
    answers: tuple[TargetType, ...] = ("value",),
) -> None:
    """Register a baseline of one's own as `baseline.<name>.method`.

    `build(settings, seed)` returns an untrained `Forecaster`. A registered method can be registered again.

    >>> from forecast.forecasters.naive import NaiveRule, last_value
    >>> register_baseline("again", lambda settings, seed: NaiveRule(settings.name, last_value))
    >>> build_baseline(RuleSettings(name="mine", method="again"), seed=0).name
    'mine'
    """
    METHODS[method] = Method(settings, build, answers)
    BASELINES.kinds[method] = settings


def refusal(settings: BaselineSettings, question: Question) -> str:
    """Return why a baseline does not answer a question, "" where it does."""
    if isinstance(settings, RegressionSettings):
        entry = REGRESSORS.get(settings.regressor)
        return question.refusal(settings.regressor, entry.answers if entry else METHODS["regression"].answers)
    return question.refusal(settings.method, METHODS[settings.method].answers)


def build_baseline(settings: BaselineSettings, seed: int) -> Forecaster:
    """Return the untrained forecaster that the settings describe.

    Raises
    ------
    ForecastError
        A method, a regressor, a classifier or a parameter that is not there, with the nearest name.

    """
    if settings.method not in METHODS:
        raise ForecastError(f"`baseline.{settings.name}.method` {_no_such(settings.method, METHODS)}")
    return METHODS[settings.method].build(settings, seed)


def _entry(settings: BaselineSettings, key: str, name: str, table: Mapping[str, _Entry]) -> _Entry:
    """Look up a name in a table."""
    if name not in table:
        raise ForecastError(f"`baseline.{settings.name}.{key}` {_no_such(name, table)}")
    return table[name]


def _estimator(settings: RegressionSettings | ClassifierSettings, entry: Regressor | ClassifierEntry) -> Any:
    """Return the unfitted estimator of a table's line, after a check of the names of its parameters."""
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
    return f"does not know {name!r}: " + did_you_mean(name, known, f"known are {', '.join(sorted(known))}", "{!r}")
