"""Recurrent networks as forecasters: y_hat = reference + scale * network, the first two in closed form."""

from __future__ import annotations

import gc
from collections.abc import Callable  # at run time too: a dataclass field is typed with it
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from forecast.errors import ForecastError
from forecast.forecasters.fitted_network import FittedNetwork, data_of
from forecast.forecasters.interface import Kind
from forecast.forecasters.strategies import check_fed_back, network_problem
from forecast.forecasters.trajectories import Copula
from forecast.network.settings import BackboneSettings, EsnSettings, LstmSettings, NetworkSettings
from forecast.questions.kinds import question_of_head
from forecast.reference.cross_fitting import cross_fitted
from forecast.reference.encoding import CovariateEncoding, fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.label_encoding import make_label_encoding
from forecast.reference.references import CALENDAR, CANDIDATES, Reference
from forecast.reference.scaling import fit_scale
from forecast.training.correction import fit_correction
from forecast.training.job import INTERRUPTED, Epoch, Stages, TrainingJob, untrained_loss
from forecast.training.readout import fit_readout
from forecast.training.settings import TrainingSettings, check_regime
from forecast.training.sizes import sized

if TYPE_CHECKING:
    from forecast.network.settings import ModelSettings, NetworkSettings
    from forecast.questions.kinds import Problem
    from forecast.series.panel import IntArray, Panel
    from forecast.training.job import Training


RIDGE_BLOCKS = 4
"""Of the training split, whose rows a network that adds to `ridge` or `calendar` sees with weights of the others: these
have many."""

_MANY_ROWS = 4_000_000
"""Rows from which on what a training leaves is collected at once, which takes a second."""

_TRIED_FROM, _FIRST_EPOCHS, _SHARE_OF_TIME = 1_000, 4, 0.02
"""Rows to train on from which references are tried out, epochs of the first try, and the part of a time limit that
each may take."""

_GIVEN_UP, _PROMISING, _WORTH = 1.25, 0.9, 0.95
"""Shares of the loss of a network on a season's reference. Untrained: above the first `none` is given up after the
first epochs, below the second it gets more of them. Trained as long: below the third `none` is taken."""

_ERRORS = ("point", "quantile")
"""Heads whose losses are errors."""

_FEWEST_HORIZONS = 4
"""Of a validation split that says whether a season is one."""

_LEVEL_FROM = 400
"""Rows to train on a series, in the mean, from which on the value itself is read beside a season (docs/models.md)."""

_MORE_LAYERS = 2
"""Of a network that may have more than one, where nothing was said."""


@dataclass(frozen=True)
class Recurrent:
    """An untrained RNN, LSTM, GRU or echo state network that forecasts the whole horizon, at once or step by step.

    `reference`, `learning_rates`, `penalty`, `correction` and `copula` are None until something has been chosen on
    validation; a forecaster that `FittedNetwork.chosen` returns has those that it needs, and trains exactly as many
    epochs as there are learning rates, or fits its read-out with the penalty.

    Examples
    --------
    >>> from forecast.network.settings import GruSettings
    >>> Recurrent(GruSettings(hidden_size=16)).name
    'gru'

    """

    settings: NetworkSettings = field(default_factory=LstmSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    on_epoch: Callable[[Epoch], None] | None = None
    stages: Stages | None = None
    reference: Reference | None = None
    learning_rates: tuple[float, ...] | None = None
    penalty: float | None = None
    correction: tuple[float, ...] | None = None
    copula: Copula | None = None

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.settings.name

    @property
    def kind(self) -> Kind:
        """The sort of forecaster."""
        return "network"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedNetwork:
        """Fit scale and reference in closed form, then train the network; the validation split says when to stop."""
        reference, job = self.training_job(past, train_steps, problem)
        training = _train(job)
        if self.correction is not None:
            training.network.correction.copy_(torch.tensor(self.correction))
        elif job.validates:
            training.network.correction.copy_(torch.from_numpy(fit_correction(job, training.network)))
        fitted = FittedNetwork(
            forecaster=replace(self, settings=job.network, training=job.training),
            problem=problem,
            ids=past.ids,
            reference=reference,
            scale=job.data.scale,
            encoding=job.data.encoding,
            network=training.network,
            history=training.history,
            epochs=training.epochs,
            stop_reason=training.reason,
            penalty=training.penalty,
            copula=self.copula,
            graph_bytes=training.graph_bytes,
        )
        if len(past.times) > _MANY_ROWS:
            del job
            gc.collect()  # Lightning's objects hold each other, and with them what was computed of every row
        return fitted if self.copula else replace(fitted, copula=fitted.fitted_copula(past, train_steps))

    def training_job(self, past: Panel, train_steps: IntArray, problem: Problem) -> tuple[Reference, TrainingJob]:
        """Fit scale and reference in closed form; return the reference, and what is left for the network to learn."""
        check_regime(self.settings, self.training)
        check_answered(self.settings, problem)
        if self.settings.head == "negative_binomial":
            _check_counts(past)
        reference, chosen = self._fit_reference(past, train_steps, problem)
        settings, training, _ = sized(chosen, self.training, train_steps, problem, reference.name)
        valued = not problem.question.categorical
        scale = fit_scale(past, train_steps, problem.season_steps) if valued else np.ones(len(past))
        encoding = fit_encoding(past, train_steps, problem.lags, problem.leads)
        if self.settings.strategy == "recursive":
            check_fed_back(encoding, reference)
        _check_inputs(self.settings, reference, encoding)
        blocks = self.settings.cross_fit or (RIDGE_BLOCKS if reference.lags or reference.name == CALENDAR else 0)
        targets_from = cross_fitted(reference, past, train_steps, blocks)
        return reference, TrainingJob(
            data=data_of(self.settings, past, targets_from, scale, encoding),
            train_steps=train_steps,
            network=settings,
            training=training,
            context_steps=problem.context_steps,
            seed=self.seed,
            repeated=self.learning_rates,
            penalty=self.penalty,
            on_epoch=self.on_epoch,
            stages=self.stages,
        )

    def _fit_reference(self, past: Panel, train_steps: IntArray, problem: Problem) -> tuple[Reference, NetworkSettings]:
        """Fit the reference, or refit what was chosen before; of symbols there is none. The network is settled with it.

        That is how many layers it has, where short trainings may say so.
        """
        if problem.question.categorical:
            read = self.settings.autoregressive and not past.at_end
            return make_label_encoding(len(past), problem.horizon, read=read), self.settings
        if self.reference is not None:
            return self.reference.refit(past, train_steps), self.settings
        chosen = self._fit_named(self.settings.reference, past, train_steps, problem)
        if chosen.name == "last" or not self._tries_references(chosen, past, train_steps):
            return chosen, self.settings
        try:
            return self._best_trained(chosen, past, train_steps, problem)
        except _Interrupted:
            return chosen, self.settings

    def _fit_named(self, name: str, past: Panel, train_steps: IntArray, problem: Problem) -> Reference:
        """Fit a reference by its name; `auto` chooses by the errors of closed forms, `without ridge` as well."""
        left_out = {"ridge"} if name == "without ridge" else set()
        left_out |= {CALENDAR} if self.settings.strategy == "recursive" else set()
        return fit_reference(
            "auto" if name == "without ridge" else name,
            past,
            train_steps,
            network_problem(self.settings.strategy, problem),
            multiplied=self.settings.head == "negative_binomial",
            reads_level=self._reads_level(train_steps, problem),
            candidates=tuple(candidate for candidate in CANDIDATES if candidate not in left_out),
        )

    def _reads_level(self, train_steps: IntArray, problem: Problem) -> bool:
        """Whether the value itself is an input: as said, else where no season is known or series are long."""
        if self.settings.level_input is not None:
            return self.settings.level_input
        if problem.question.forecasts_probabilities:
            return False
        return problem.season_steps == 1 or float(train_steps.mean()) >= _LEVEL_FROM

    def _tries_references(self, chosen: Reference, past: Panel, train_steps: IntArray) -> bool:
        """Whether training may say more than the errors of closed forms do: where the level is read, and rows suffice.

        Of a network that reads where a series stands, what an autoregression leaves may be harder to learn than what a
        plain reference does. A walk (`last`) and losses that are in units of the reference are left alone; with a
        season also what depends on the calendar, losses that are no errors, of which no share can be taken, and a
        validation split of few horizons, where a level that shifts once would decide.
        """
        return (
            self.settings.reference == "auto"
            and chosen.reads_level
            and isinstance(self.settings, BackboneSettings)
            and self.settings.loss != "owa"
            and self.settings.head != "negative_binomial"
            and (chosen.season_steps == 1 or self._judges_season(chosen, past.lengths - train_steps))
            and int(train_steps.sum()) >= _TRIED_FROM
            and not np.array_equal(train_steps, past.lengths)
        )

    def _judges_season(self, chosen: Reference, validation_steps: IntArray) -> bool:
        return (
            chosen.name != CALENDAR
            and self.settings.head in _ERRORS
            and float(np.median(validation_steps)) >= _FEWEST_HORIZONS * chosen.horizon
        )

    def _best_trained(
        self, chosen: Reference, past: Panel, train_steps: IntArray, problem: Problem
    ) -> tuple[Reference, NetworkSettings]:
        """Return the reference whose network is best on validation after few epochs, and the network for it.

        Where none is better by then than the untrained one of the reference found, that is taken: nothing speaks for
        another. To the best a second layer is then added, and kept where validation is better with it.
        """

        def fitted(name: str) -> Reference:
            return self._fit_named(name, past, train_steps, problem)

        def loss_after(epochs: int, reference: Reference) -> float:
            return self._loss_after(epochs, reference, past, train_steps, problem)

        untrained = untrained_loss(replace(self, reference=chosen).training_job(past, train_steps, problem)[1])
        if chosen.season_steps > 1:
            best, least, epochs = _season_or_dynamics(chosen, fitted("none"), untrained, loss_after)
        else:
            others = ["none", "without ridge"] if chosen.name == "ridge" else ["none"]
            best, least, epochs = _successive_halving([chosen, *map(fitted, others)], loss_after)
        if least >= untrained:
            return chosen, self.settings
        if getattr(self.settings, "layers", 1) is None and getattr(self.settings, "dilations", None) is None:
            deeper = replace(self, settings=self.settings.model_copy(update={"layers": _MORE_LAYERS}))
            if deeper._loss_after(epochs, best, past, train_steps, problem) < least:
                return best, deeper.settings
        return best, self.settings

    def _loss_after(
        self, epochs: int, reference: Reference, past: Panel, train_steps: IntArray, problem: Problem
    ) -> float:
        """Least validation loss of so many epochs on a reference.

        Raises
        ------
        _Interrupted
            Somebody ended them with Ctrl-C.

        """
        limit = self.training.time_limit_s
        training = self.training.model_copy(
            update={
                "max_epochs": min(epochs, self.training.max_epochs),
                "schedule": "constant",
                "record_gradients": False,
                "time_limit_s": None if limit is None else limit * _SHARE_OF_TIME,
            }
        )
        trial = replace(self, training=training, on_epoch=None, stages=None, reference=reference)
        trained = _train(trial.training_job(past, train_steps, problem)[1])
        if trained.reason == INTERRUPTED:
            raise _Interrupted
        return min(epoch.validation_loss for epoch in trained.history if isinstance(epoch, Epoch))


def _successive_halving(
    left: list[Reference], loss_after: Callable[[int, Reference], float]
) -> tuple[Reference, float, int]:
    """Train on all for a few epochs, on the better half for three times as many (Jamieson and Talwalkar 2016).

    Returned are the best, its loss, and the epochs that it took.
    """
    losses, epochs = [np.inf], _FIRST_EPOCHS
    while len(left) > 1:
        losses = [loss_after(epochs, reference) for reference in left]
        order = np.argsort(losses, kind="stable")[: (len(left) + 1) // 2]
        left, epochs = [left[i] for i in order], 3 * epochs
    return left[0], min(losses), epochs // 3


def _season_or_dynamics(
    chosen: Reference, none: Reference, untrained: float, loss_after: Callable[[int, Reference], float]
) -> tuple[Reference, float, int]:
    """Return the reference found, or `none` where a network learns more without one, as `_successive_halving` does.

    Dynamics that turn in cycles look as if they had a season, of which a network that adds to its closed form learns
    less than one that learns all of them. A season it learns less well: then a few epochs say so, and nothing more is
    tried. Validation cannot tell small gains from luck (docs/models.md).
    """
    if loss_after(_FIRST_EPOCHS, none) > _GIVEN_UP * untrained:
        return chosen, np.inf, 0
    for epochs in (3 * _FIRST_EPOCHS, 9 * _FIRST_EPOCHS):
        least = loss_after(epochs, none)
        if least < _WORTH * untrained and least < _WORTH * loss_after(epochs, chosen):
            return none, least, epochs
        if least > _PROMISING * untrained:
            break
    return chosen, np.inf, 0


class _Interrupted(Exception):  # noqa: N818  # a request, no error
    """Short trainings were ended with Ctrl-C."""


@dataclass(frozen=True)
class NamedNetwork:
    """A network under a name of its own, beside another one of the same cell."""

    name: str
    network: Recurrent
    kind: Kind = "network"

    def fit(self, past: Panel, train_steps: IntArray, problem: Problem) -> FittedNetwork:
        """Train the network."""
        return self.network.fit(past, train_steps, problem)


def _train(job: TrainingJob) -> Training:
    """Fit a read-out in closed form, or train by gradients."""
    if isinstance(job.network, EsnSettings):
        return fit_readout(job)
    # Lightning takes seconds to import; a read-out, opening a run and forecasting do without it.
    from forecast.training.fit import fit_network  # noqa: PLC0415

    return fit_network(job)


def _check_inputs(settings: NetworkSettings, reference: Reference, encoding: CovariateEncoding) -> None:
    """Refuse a network without any input."""
    if reference.input_size + encoding.input_size + encoding.static.size + settings.id_embedding == 0:
        raise ForecastError(
            "`model.autoregressive=false` leaves nothing to be read, as the data hold nothing but the symbols: name "
            "covariates (`data.past`, `data.future`), or set `model.autoregressive=true`"
        )


def check_answered(settings: NetworkSettings, problem: Problem) -> None:
    """Refuse a problem that the network's head does not answer, and settings that its answer leaves no room for.

    Raises
    ------
    ForecastError
        The head answers another question; a strategy that feeds forecasts back, or forecasts of several origins that
        are averaged, with a head that answers with probabilities.

    """
    answered = question_of_head(settings.head).name
    if answered != problem.target_type:
        raise ForecastError(
            f"the problem asks for the {problem.target_type}, and `model.head={settings.head}` answers the {answered}: "
            f"say so in the task (`forecast_task(panel, horizon, target_type={answered!r})`), or choose another head"
        )
    check_head(settings)


def check_head(settings: ModelSettings) -> None:
    """Refuse to feed back, or to average over origins, probabilities of a rise or of symbols."""
    question = question_of_head(settings.head)
    if question.not_fed_back and settings.strategy != "direct":
        raise ForecastError(
            f"`model.head={settings.head}` {question.not_fed_back}, found `model.strategy={settings.strategy}`: set "
            f"`model.strategy=direct`"
        )
    if question.not_averaged and settings.fork_ensemble > 1:
        raise ForecastError(
            f"`model.head={settings.head}` {question.not_averaged}, found `model.fork_ensemble="
            f"{settings.fork_ensemble}`: set `model.fork_ensemble=1`"
        )


def _check_counts(past: Panel) -> None:
    """Refuse targets that are not counts.

    Raises
    ------
    ForecastError
        The first value that is below zero or no whole number, with its series and time.

    """
    wrong = past.target_observed & ((past.target < 0) | (past.target != np.round(past.target)))
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    series = past.ids[int(np.searchsorted(past.offsets, row, side="right")) - 1]
    when = past.calendar.write(past.times[row : row + 1])[0]
    raise ForecastError(
        f"`model.head=negative_binomial` forecasts counts (0, 1, 2, ..., without a `data.transform`), and series "
        f"{series!r} has {past.target[row]:g} at {when}: set `model.head=gaussian`, `student_t` or `quantile`"
    )
