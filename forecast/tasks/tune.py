"""`task=tune`: a study of Optuna over settings of the network, on one machine or on many, and its best as a run.

A trial is a job of a sweep: it is trained and scored on the validation split, and the test split is not looked at. All
that is known of the trials lies in a database, so that a study goes on where it was stopped, and machines that are
given the same command work on one study. A trial whose machine died is taken up again: it stops giving signs of life.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import time
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from rich.console import Console

from forecast.errors import ForecastError, Stopped
from forecast.network.settings import PretrainedSettings
from forecast.questions.kinds import metric_label, question_of_head
from forecast.reading.sources import load_source
from forecast.reporting.sweep import Winner, scored_on_test, write_sweep_page
from forecast.runs import files
from forecast.tasks.prepare import prepare
from forecast.tasks.settings import check_job
from forecast.tasks.space import (
    Choices,
    Dimension,
    applies,
    as_overrides,
    check_space,
    dimensions,
    of_one_question,
    with_values,
)
from forecast.tasks.study import SharedStudy, TrialPruned, fingerprint, is_scored, open_storage, open_study, score_of
from forecast.tasks.terminal import say
from forecast.tasks.train import TrainResult, Validated, train, validate
from forecast.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from optuna import Trial
    from optuna.trial import FrozenTrial

    from forecast.series.panel import Source
    from forecast.tasks.settings import JobSettings
    from forecast.tasks.space import TuneSettings
    from forecast.training.job import Epoch

    Space: TypeAlias = dict[str, Dimension]

TABLE, PAGE = "study.csv", "study.html"


class _OutOfTime(Exception):  # noqa: N818 - nothing went wrong
    """`tune.time_limit_s` is over."""


class _Surplus(Exception):  # noqa: N818 - nothing went wrong
    """Another machine has begun the last trial in the meantime."""


@dataclass(frozen=True, eq=False)
class TuneResult:
    """What a study found.

    Attributes
    ----------
    trials : a row for each trial and seed, best trial first: `job`, the settings that differ, the score on the
        validation split, `seconds`, `status`
    best : overrides that make the best settings
    run : the best, trained and evaluated as any run; None where the study was left before, or another machine does it

    """

    trials: pd.DataFrame
    best: tuple[str, ...]
    run: TrainResult | None


def tune(
    job: JobSettings,
    folder: str | Path,
    overrides: Sequence[str] = (),
    source: Source | None = None,
    console: Console | None = None,
) -> TuneResult:
    """Search for good settings, evaluate the best once, and leave a table and a page of all trials in `folder`.

    `overrides` are what the user said of the job: such settings are kept, and not searched.

    Raises
    ------
    ForecastError
        A space without room, a database that cannot be reached or holds another study under this name, no trial with
        a score.
    KeyboardInterrupt
        Ctrl-C; the trials that are done are kept, and the same command with this folder goes on.

    """
    console, folder = console or Console(highlight=False), Path(folder)
    source = source or load_source(job.data)
    with _searching(job, folder, source, {text.partition("=")[0].lstrip("+~") for text in overrides}) as search:
        say(console, search.introduction())
        with _kept_where_stopped(search, folder):
            search.work(console)
        best = search.best_of_some(folder)
        winning = (*_kept(overrides), *as_overrides(search.chosen_of(best)))
        run = None
        if search.claims_test(folder / "best"):
            first = f"best of {counted(len(search.study.done()), 'trial')} on validation, and the only one evaluated on"
            say(console, [f"{first} the test split: {' '.join(winning)}"])
            run = train(search.job_of(best), folder / "best", console, source, command=winning)
        tested = None if run is None else scored_on_test(run.leaderboard, run.prepared.job.model.name)
        table = search.write(folder, Winner(f"python -m forecast {shlex.join(winning)}", tested))
    say(console, [f"all trials: {folder / TABLE}, {folder / PAGE}"])
    return TuneResult(table, winning, run)


@contextlib.contextmanager
def _kept_where_stopped(search: _Search, folder: Path) -> Iterator[None]:
    """Write what there is when the user or the system ends the block: the latter has no time for a page."""
    try:
        yield
    except (KeyboardInterrupt, Stopped) as error:
        search.write(folder, page=not isinstance(error, Stopped))
        raise


def _kept(overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides that a run of one trial has as well."""
    return tuple(text for text in overrides if not text.startswith(("task=", "tune.", "tune=", "++tune.", "hydra")))


@dataclass(frozen=True, eq=False)
class _Search:
    """A study, the job that its trials change, and who works on it here."""

    job: JobSettings
    space: Space
    source: Source
    study: SharedStudy
    worker: str
    began: float

    @property
    def settings(self) -> TuneSettings:
        """`tune.*`."""
        return self.job.tune

    # A trial as a job

    def chosen_of(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the settings that a trial said, by key."""
        return {key: trial.params[key] for key in self.space if key in trial.params}

    def job_of(self, trial: FrozenTrial) -> JobSettings:
        """Return a trial as a job of its own."""
        return self._job(self.chosen_of(trial), self.job.seed)

    def _job(self, chosen: dict[str, Any], seed: int) -> JobSettings:
        values = {name: part for name, part in self.job.model_dump(mode="json").items() if name != "tune"}
        return check_job({**with_values(values, chosen), "task": "train", "seed": seed})

    # The work

    def work(self, console: Console) -> None:
        """Run trials until there are enough, or the time is over; wait for those of other machines."""
        wanted, waits = self.settings.trials, False
        while not self._is_over():
            self.study.requeue_dead()
            running = self.study.running()
            if not self.study.has_waiting() and len(self.study.done()) + running >= wanted:
                if not running:
                    return
                if not waits:
                    say(console, [f"waiting for {counted(running, 'trial')} of other machines"])
                waits = True
                time.sleep(min(self.settings.heartbeat_s, 5) / 2)
                continue
            try:
                self.study.run_one(partial(self._run, console), catch=(_Surplus, _OutOfTime))
            except ForecastError:
                raise
            except Exception as error:  # a fault of one trial must not take the others along
                say(console, [f"{type(error).__name__}: {error}"])

    def _is_over(self) -> bool:
        limit = self.settings.time_limit_s
        return limit is not None and time.monotonic() - self.began > limit

    def _run(self, console: Console, trial: Trial) -> float:
        """Train one trial, under each of its seeds; return its score."""
        if self.study.is_surplus(trial, self.settings.trials):
            raise _Surplus
        trial.set_user_attr("worker", self.worker)
        validated: list[Validated] = []
        with self._recorded(trial, validated):
            try:
                chosen = self._suggest(trial)
                for i in range(self.settings.seeds):
                    after_epoch = partial(self._after_epoch, trial, reports=i == 0)
                    validated.append(validate(self._job(chosen, self.job.seed + i), self.source, on_epoch=after_epoch))
                score = _mean([one.score for one in validated])
            except (ForecastError, TrialPruned) as error:
                trial.set_user_attr("status", self._why_ended(trial, error))
                say(console, [f"trial {trial.number}: {trial.user_attrs['status']}{self._progress()}"])
                raise TrialPruned from None
        say(console, [f"trial {trial.number}: {self._measure()} {number(score)}{self._progress(score)}"])
        return score

    def _why_ended(self, trial: Trial, error: Exception) -> str:
        if isinstance(error, TrialPruned):
            return f"ended early after epoch {len(self.study.frozen(trial).intermediate_values)}"
        return " ".join(str(error).split())

    @contextlib.contextmanager
    def _recorded(self, trial: Trial, validated: Sequence[Validated]) -> Iterator[None]:
        """Keep with a trial what it took and came to, and queue it once more where the block is broken off."""
        began = time.perf_counter()
        try:
            try:
                yield
            except Exception as error:
                if not isinstance(error, (TrialPruned, _OutOfTime)):
                    trial.set_user_attr("status", f"{type(error).__name__}: {' '.join(str(error).split())}")
                raise
            finally:
                trial.set_user_attr("seconds", round(time.perf_counter() - began, 2))
                trial.set_user_attr("scores", [one.score for one in validated])
                trial.set_user_attr("graph_mb", round(max((one.graph_mb for one in validated), default=0.0), 3))
        except (KeyboardInterrupt, Stopped, _OutOfTime) as error:
            self.study.put_back(trial, error)
            raise

    def _progress(self, score: float = np.inf) -> str:
        """Say how many trials there were, the best score, and how much time is left."""
        done = self.study.done()
        best = min([score, *map(score_of, filter(is_scored, done))])
        count = len(done) + 1
        passed = time.monotonic() - self.began
        by_this_worker = sum(trial.user_attrs.get("worker") == self.worker for trial in done) + 1
        trials_left = max(self.settings.trials - count, 0)
        seconds_left = passed / by_this_worker * trials_left / max(self.study.running(), 1)
        if self.settings.time_limit_s is not None:
            seconds_left = min(seconds_left, max(self.settings.time_limit_s - passed, 0))
        return f" ({count} of {self.settings.trials}, best {number(best)}, about {seconds_left:.0f} s left)"

    def _after_epoch(self, trial: Trial, epoch: Epoch, *, reports: bool) -> None:
        if self._is_over():
            raise _OutOfTime
        if reports:
            trial.report(epoch.validation_loss, epoch.epoch)
            if trial.should_prune():
                raise TrialPruned

    def _suggest(self, trial: Trial) -> dict[str, Any]:
        """Let the sampler say the settings that mean something beside those said before."""
        values = self.job.model_dump(mode="json")
        chosen: dict[str, Any] = {}
        for key, dimension in self.space.items():
            if not applies(key, with_values(values, chosen)["model"]):
                continue
            if isinstance(dimension, Choices):
                chosen[key] = trial.suggest_categorical(key, dimension.values)
            elif dimension.whole:
                low, high = int(dimension.low), int(dimension.high)
                chosen[key] = trial.suggest_int(key, low, high, log=dimension.logarithmic)
            else:
                chosen[key] = trial.suggest_float(key, dimension.low, dimension.high, log=dimension.logarithmic)
        return chosen

    # The best

    def best_of_some(self, folder: Path) -> FrozenTrial:
        """Return the trial with the lowest score; where none has one, write what there is and say why."""
        if (best := self.study.best()) is not None:
            return best
        self.write(folder)
        done = self.study.done()
        reasons = [trial.user_attrs["status"] for trial in done if "status" in trial.user_attrs]
        why = f"the first: {reasons[0]}" if reasons else "`tune.time_limit_s` was over: give more time"
        raise ForecastError(f"none of {counted(len(done), 'trial')} has a score; {why}")

    def claims_test(self, folder: Path) -> bool:
        """Whether it falls to this machine to evaluate the best, in a folder: to the one that had the last trial.

        One that goes on with a study that is done evaluates it where nobody has, or where it did not come to its end.
        """
        self.study.requeue_dead()
        if self.study.running():
            return False
        place = f"{socket.gethostname()}:{folder}"
        ended = self.study.ended()  # the last one last
        evaluated = self.study.evaluated
        if not any(trial.user_attrs.get("worker") == self.worker for trial in ended):
            claims = evaluated is None or (evaluated == place and not (folder / files.RECORD).exists())
        else:
            claims = evaluated is None and ended[-1].user_attrs.get("worker") == self.worker
        if claims:
            self.study.evaluated = place
        return claims

    # What is written

    def introduction(self) -> list[str]:
        """Describe the study before its first trial."""
        count = len(self.study.done())
        begun = f", {counted(count, 'trial')} of them done" if count else ""
        return [f"a study of {counted(self.settings.trials, 'trial')}{begun} over {', '.join(self.space)}"]

    def write(self, folder: Path, winner: Winner | None = None, *, page: bool = True) -> pd.DataFrame:
        """Write table and page of the trials that are done; return the table."""
        table = self._table()
        if len(table):
            folder.mkdir(parents=True, exist_ok=True)
            table.to_csv(folder / TABLE, index=False, encoding="utf-8", lineterminator="\n")
            if page:
                write_sweep_page(table, folder, PAGE, winner)
        return table

    def _table(self) -> pd.DataFrame:
        """Return one row for each trial and seed, the best trial first."""
        score = f"validation_{question_of_head(self.job.model.head).ranked_by}"
        several = self.settings.seeds > 1
        rows, order = [], []
        for trial in self.study.done():
            said = self.chosen_of(trial)
            scores = trial.user_attrs.get("scores") or [None]
            for i, value in enumerate(scores):
                rows.append(
                    {
                        "job": trial.number,
                        **{key: said.get(key, "") for key in self.space},
                        **({"seed": self.job.seed + i} if several else {}),
                        score: value if is_scored(trial) else None,
                        "seconds": trial.user_attrs["seconds"] / len(scores),
                        "graph_mb": trial.user_attrs["graph_mb"],
                        "status": trial.user_attrs.get("status", "ok"),
                    }
                )
                order.append((score_of(trial), trial.number, i))
        table = pd.DataFrame([rows[i] for i in sorted(range(len(rows)), key=order.__getitem__)])
        single = [key for key in self.space if key in table and table[key].nunique() < 2]
        return table.drop(columns=single) if len(table) else table

    def _measure(self) -> str:
        return f"validation {metric_label(question_of_head(self.job.model.head).ranked_by)}"


def _mean(scores: list[float]) -> float:
    mean = float(np.mean(scores))
    if not np.isfinite(mean):
        raise ForecastError("its score on the validation split is no number")
    return mean


# Opening a study


@contextlib.contextmanager
def _searching(job: JobSettings, folder: Path, source: Source, said: Collection[str]) -> Iterator[_Search]:
    """Check the job and its space, and open the study, which is made where there is none; `said` is not searched."""
    if isinstance(job.model, PretrainedSettings):
        raise ForecastError(
            f"`model={job.model.name}` is not trained here, so that nothing can be tuned: choose another, "
            "as `model=gru`"
        )
    prepare(job.model_copy(update={"task": "train"}), source)
    values = job.model_dump(mode="json")
    space = {key: dimension for key, dimension in dimensions(job.tune.space) if key not in said}
    if "model" in said:
        space.pop("model.name", None)
    first = {key: space[key] for key in ("model.name", "model.head") if key in space}  # the others depend on them
    space = of_one_question(first | space, job.model.head)
    check_space(space, values)
    worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with open_storage(job.tune, folder) as storage:
        study = open_study(job, storage, space, fingerprint(values, space, source))
        yield _Search(job, space, source, SharedStudy(study, storage), worker, time.monotonic())
