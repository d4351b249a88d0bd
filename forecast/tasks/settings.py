"""All settings of a job, as the configuration and `run.json` hold them.

Each section belongs to the layer that reads it; here they are only put together. `check_job` is the one way from
plain values to settings, for the command line and for a run folder alike, and it checks section by section so that
an error names the key as the user writes it.

The tasks that a job can be (`task`), and what the command gives them:

    again.again(run, folder, data)      the same once more, for `again=...`
    train.train(job, folder)            fit, backtest, forecast, write the run folder
    train.validate(job)                 the same up to the validation split, for a sweep: nothing is written
    predict.predict(run, data, folder)  `data`: only those keys of `data.*` that were set ("name" for `data=...`)
    check.check(job)                    the tripwire; nothing is written
    gradcheck.gradcheck(job)            gradients against finite differences; nothing is written
    probe.probe(run, data, ...)         what a trained network does: a page into its run folder
    continuation.continue_run(run, ...) symbols that a trained network draws after a beginning
    stream.stream(run, data, ...)       rows through a pipe, a forecast after each
    pretrain.pretrain(settings, folder) the network of model=pretrained, trained again on made-up series
    tune.tune(job, folder, ...)         a search for good settings; the best is then a run
    update.update(run, data, folder, ...) a trained network goes on learning from newer rows
    serve.serve(settings, runs, ...)    trained runs behind HTTP, and the page, until it is told to end
    assistant.serve_tools(folder, base) tools for assistants (task=mcp), until they leave
    export.export(run)                  the network of a run as graphs for other programs, into its folder

`task=clean` has no file here: `runs.unfinished.clean` lists and removes what unfinished runs left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from forecast.errors import ForecastError
from forecast.evaluation.settings import BacktestSettings
from forecast.forecasters.baselines import BaselineSettings
from forecast.forecasters.settings import MOST_MEMBERS, Combine, ContinuationSettings
from forecast.network.settings import ModelSettings, PretrainedSettings
from forecast.pretraining.settings import PretrainSettings
from forecast.questions.kinds import question_of_head
from forecast.questions.settings import SplitSettings
from forecast.reading.settings import AdditionSettings, CsvSettings, DataSettings, TextSettings
from forecast.reporting.settings import ProbeSettings, ReportSettings
from forecast.serving.settings import McpSettings, ServeSettings
from forecast.settings import OneOf, Settings, check_settings, shown
from forecast.tasks.space import TuneSettings
from forecast.training.settings import FileLogger, LoggerSettings, TrainingSettings, check_regime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from forecast.series.panel import Panel


class UpdateSettings(Settings):
    """Settings of `task=update`."""

    epochs: int = Field(5, ge=1, le=10_000)
    """Times that the network goes through the new rows, and as many old ones."""
    learning_rate: float | None = Field(None, gt=0)
    """Null: a fifth of the run's own."""


class PredictSettings(Settings):
    """Settings of `task=predict`."""

    by_file: bool = False
    """Whether each file of `data.path` is forecast by itself, so that a prediction that was stopped goes on."""
    workers: int = Field(1, ge=1, le=1024)
    """by_file: processes that forecast files at the same time."""
    scheduler: str | None = None
    """by_file: address of a Dask scheduler whose workers do it instead, on whatever machines; all see the files."""

    @model_validator(mode="after")
    def _by_file(self) -> PredictSettings:
        if not self.by_file and (self.workers > 1 or self.scheduler is not None):
            raise ValueError("workers share out files: set `predict.by_file=true` as well")
        return self


class StreamSettings(Settings):
    """Settings of `task=stream`."""

    state: str | None = None
    """File that the state is saved to at the end and on request, and taken up from where it exists."""
    history: bool = True
    """Whether the rows follow data (`data.*`, those of the run); false: each series begins with its first row."""
    interval: float | None = 0.9
    """Share of what comes that the intervals are to hold: 0.5, 0.8, 0.9 or 0.95; null: no intervals."""
    steps: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(None, min_length=1)
    """Steps ahead that are written; null: all."""
    output: Literal["csv", "json"] | None = None
    """Form of the answers; null: that of the rows."""

    @field_validator("interval")
    @classmethod
    def _with_quantiles(cls, value: float | None) -> float | None:
        if value is not None and value not in (0.5, 0.8, 0.9, 0.95):
            raise ValueError("0.5, 0.8, 0.9 or 0.95")
        return value


class JobSettings(Settings):
    """One job: what to do, on which data, with which network, against which baselines."""

    task: Literal[
        "train",
        "predict",
        "check",
        "gradcheck",
        "probe",
        "continue",
        "pretrain",
        "tune",
        "update",
        "serve",
        "app",
        "mcp",
        "export",
        "stream",
        "clean",
    ] = "train"
    run: str | None = None
    """predict, probe, continue, update, stream, serve, export: the run folder to open, or "latest"."""
    again: str | None = None
    """train: the run that is run anew, to see whether the numbers are the same."""
    resume: str | None = None
    """train: the folder of a run that was interrupted, or "latest"; it goes on with its own settings."""
    format: Literal["onnx"] = "onnx"
    """export: what is written."""
    seed: int = Field(0, ge=0, lt=2**32)
    ensemble: int = Field(1, ge=1, le=MOST_MEMBERS)
    """Networks that differ in their seed alone and forecast together."""
    combine: Combine | None = None
    """What the members of an ensemble forecast together; null: the median, and of probabilities the mean."""
    horizon: int = Field(20, ge=0, le=100_000)
    """Steps to forecast; 0: as many as the number of rows suggests (`suggested_horizon`)."""
    data: DataSettings
    split: SplitSettings
    model: ModelSettings
    training: TrainingSettings
    baseline: dict[str, BaselineSettings] = Field(default_factory=dict)
    """Baselines by name, in the order in which they run."""
    time_limit_s: float | None = Field(None, gt=0)
    """train: seconds that the whole run may take; what does not fit in is left out and named. Null: no limit."""
    recommend: str | None = None
    """The model that is recommended, whatever is expected of it; null: the one with the least expected error."""
    backtest: BacktestSettings
    report: ReportSettings
    logger: LoggerSettings = FileLogger()
    """Where the course of a training is logged, beside the run folder."""
    probe: ProbeSettings = ProbeSettings()
    continuation: ContinuationSettings = ContinuationSettings()
    pretrain: PretrainSettings = PretrainSettings()
    tune: TuneSettings = TuneSettings()
    predict: PredictSettings = PredictSettings()
    update: UpdateSettings = UpdateSettings()
    serve: ServeSettings = ServeSettings()
    mcp: McpSettings = McpSettings()
    stream: StreamSettings = StreamSettings()


def check_job(values: Mapping[str, Any]) -> JobSettings:
    """Build the settings of a job from plain values, nested as in the configuration.

    Raises
    ------
    ForecastError
        The first unknown key, wrong type or value out of range, in one line.

    """
    checked = dict(values)
    for name, field in JobSettings.model_fields.items():
        if name in checked and section_kinds(field):
            checked[name] = _check_section(field, checked[name], name)
    job = check_settings(JobSettings, checked)
    check_regime(job.model, job.training)
    if job.task in (
        "predict",
        "probe",
        "continue",
        "update",
        "serve",
        "stream",
        "clean",
        "app",
        "mcp",
    ):  # a run's network is asked, whose settings are checked in turn
        return job
    head = job.model.head
    return job.model_copy(update={"data": _match_symbols(job.data, head, wanted=question_of_head(head).categorical)})


def _match_symbols(data: DataSettings, head: str, *, wanted: bool) -> DataSettings:
    """Let the data hold symbols where the head forecasts symbols (`data.symbols=null`), and numbers where it does not.

    Raises
    ------
    ForecastError
        The data hold symbols and the head forecasts numbers, or the other way round.

    """
    if isinstance(data, CsvSettings):
        if data.symbols is None:
            return data.model_copy(update={"symbols": True}) if wanted else data
        given, setting = data.symbols, f"data.symbols={str(data.symbols).lower()}"
    else:
        given, setting = isinstance(data, (TextSettings, AdditionSettings)), f"data={data.name}"
    if given and not wanted:
        raise ForecastError(
            f"`{setting}` reads symbols, and `model.head={head}` forecasts numbers: set `model.head=categorical`"
            + (", or `data.symbols=false`" if isinstance(data, CsvSettings) else "")
        )
    if wanted and not given:
        raise ForecastError(
            f"`model.head={head}` forecasts symbols, and `{setting}` reads numbers: choose another `model.head`, or "
            + ("`data.symbols=true`" if isinstance(data, CsvSettings) else "give symbols (`data.path=`, `data=text`)")
        )
    return data


def section_kinds(field: FieldInfo) -> tuple[type[Settings], ...]:
    """Return the settings classes that a field of JobSettings may hold; empty for a plain value."""
    one_of = _one_of(field)
    if one_of is not None:
        return tuple(dict.fromkeys(one_of.kinds.values()))
    return tuple(part for part in _parts(field) if isinstance(part, type) and issubclass(part, Settings))


def _one_of(field: FieldInfo) -> OneOf | None:
    return next((part for part in _parts(field) if isinstance(part, OneOf)), None)


def _parts(field: FieldInfo) -> Iterator[Any]:
    """Go through everything that a field's annotation is made of."""
    waiting = [field.annotation, *field.metadata]
    while waiting:
        part = waiting.pop(0)
        yield part
        waiting += get_args(part)


def _check_section(field: FieldInfo, values: Any, name: str) -> Any:
    if get_origin(field.annotation) is not dict:
        return _check_group(field, values, name)
    if values is None:  # a group of which nothing is chosen
        return {}
    if not isinstance(values, dict):
        raise ForecastError(f"`{name}` should be groups of settings by name, found {values!r}")
    for key, group in values.items():
        if isinstance(group, dict) and "method" not in group:
            raise ForecastError(
                f"`{name}.{key}` is given settings ({', '.join(map(str, group))}), and {key} is not chosen: "
                f"add it to `{name}=[...]`, or take them away with `~{name}.{key}`"
            )
    return {key: _check_group(field, group, f"{name}.{key}") for key, group in values.items()}


def _check_group(field: FieldInfo, values: Any, name: str) -> Settings:
    if not isinstance(values, dict):
        raise ForecastError(f"`{name}` should be a group of settings (`{name}.<key>=...`), found {shown(values)}")
    return check_settings(_kind_of(field, values, name), values, f"{name}.")


def _kind_of(field: FieldInfo, values: Mapping[str, Any], section: str) -> type[Settings]:
    """Choose among several classes by the key that tells them apart."""
    one_of = _one_of(field)
    if one_of is None:
        return section_kinds(field)[0]
    name = values.get(one_of.key)
    if not isinstance(name, str) or name not in one_of.kinds:
        raise ForecastError(f"`{section}.{one_of.key}` should be one of {', '.join(one_of.kinds)}, found {name!r}")
    return one_of.kinds[name]


def splits_fit_of(job: JobSettings, panel: Panel, horizon: int) -> bool:
    """Whether all series of a job are long enough for its splits; False: they give way, nothing has to be trained.

    Raises
    ------
    ForecastError
        A series that is too short, where something has to be trained or `data.on_short_series` says so.

    """
    from forecast.questions.task import splits_fit  # noqa: PLC0415 - it takes long to import

    untrained = isinstance(job.model, PretrainedSettings)  # also where the data choose, `model=auto`
    only = len(panel) == 1 or isinstance(job.data, CsvSettings)
    shorten = untrained and only and getattr(job.data, "on_short_series", "forecast") == "forecast"
    question, context = question_of_head(job.model.head), job.data.context_steps or 1
    return splits_fit(panel, job.split, question, context, horizon, shorten=shorten)
