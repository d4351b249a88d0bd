"""Graphs as ONNX files, checked before anything is written, and a JSON that says what goes in and what comes out.

torch's older exporter writes them: measured with torch 2.13, its graphs of LSTM, GRU and RNN are right at every batch
size and length and take half a second, where the newer one took 7 to 32 s and fixed the length of an RNN
(docs/export.md).
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from forecast.errors import ForecastError
from forecast.exporting.covariates import is_dated
from forecast.exporting.graphs import graph_of
from forecast.exporting.trial import TOLERANCE, channels_read, check
from forecast.forecasters.interface import QUANTILES
from forecast.runs.record import package_versions
from forecast.runs.run import channels_of

if TYPE_CHECKING:
    from pathlib import Path

    from forecast.exporting.graphs import Graph
    from forecast.exporting.trial import Feed
    from forecast.runs.run import Run

    State: TypeAlias = dict[str, Tensor]

CONTEXT, STEP, NAMES = "context.onnx", "step.onnx", "graphs.json"
_OPSET = 17
_STEPS_TRACED = 11
"""Of the context that is run while its operations are written down; the length is free in the graph."""
_BATCH_TRACED = 2


def write_graphs(run: Run, folder: Path) -> dict[str, Any]:
    """Write the graphs of a run, checked, and their JSON into a folder; return what the JSON says.

    Raises
    ------
    ForecastError
        Without the extra `[onnx]`, for a forecaster that no graph can hold, or one that differs from the network's own
        forecasts: nothing is written then.

    """
    onnx, runtime = (_extra(module) for module in ("onnx", "onnxruntime"))
    graph = graph_of(run)
    files, described = {}, {}
    for name in [CONTEXT] * (not graph.bare) + [STEP] * (graph.window is None):
        traced = _Traced(graph, _example(run, graph, name == STEP), graph.begin(_BATCH_TRACED) if name == STEP else {})
        files[name] = traced.exported()
        onnx.checker.check_model(onnx.load_from_string(files[name]), full_check=True)
        described[name] = traced.described()
    runs = {name: _session(runtime, content) for name, content in files.items()}
    worst = check(run, graph, runs.get(CONTEXT), runs.get(STEP))
    description = _content_of(run, graph, described, {"onnxruntime": runtime.__version__, "largest_difference": worst})
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / NAMES).write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return description


class _Traced(nn.Module):
    """A graph with its inputs and outputs in an order, as the exporter wants it.

    Parameters
    ----------
    given : examples of the inputs by name
    state : an example of the state before, empty for a context

    """

    def __init__(self, graph: Graph, given: State, state: State) -> None:
        super().__init__()
        self.graph, self.inputs, self.state = graph, list(given), list(state)
        self.examples = (*given.values(), *state.values())
        self.eval()  # which the exporter would otherwise go back from
        with torch.no_grad():
            self.outputs = self._run(*self.examples)

    def _run(self, *tensors: Tensor) -> State:
        given = dict(zip(self.inputs, tensors, strict=False))
        state = dict(zip(self.state, tensors[len(self.inputs) :], strict=True))
        return self.graph.over_step(given, state) if state else self.graph.over_context(given)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(self._run(*tensors).values())

    @property
    def input_names(self) -> list[str]:
        return [*self.inputs, *(f"{name}_before" for name in self.state)]

    def exported(self) -> bytes:
        """Bytes of the ONNX file; batch and, of a context, steps are free."""
        free = {name: {0: "batch"} for name in (*self.input_names, *self.outputs)}
        if not self.state:
            longer = "steps_and_horizon"
            for name, steps in (("values", "steps"), ("past", "steps"), ("ahead", longer), ("times", longer)):
                if name in free:
                    free[name][1] = steps
        file = io.BytesIO()
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # that the trace fixes what it does not: the check runs other sizes
            logger.setLevel(logging.ERROR)
            # ONNX has it, and this exporter does not know
            register: Any = vars(torch.onnx)["register_custom_op_symbolic"]
            register("aten::asinh", lambda g, x: g.op("Asinh", x), _OPSET)
            try:
                torch.onnx.export(
                    self,
                    self.examples,
                    file,  # type: ignore[arg-type]  # the older exporter writes into memory
                    input_names=self.input_names,
                    output_names=list(self.outputs),
                    dynamic_axes=free,
                    opset_version=_OPSET,
                    dynamo=False,
                )
            except torch.onnx.errors.OnnxExporterError as error:
                reason = str(error).strip().splitlines()[-1][:200]
                raise ForecastError(f"this network cannot be exported: torch says {reason!r}; train another") from None
            finally:
                logger.setLevel(level)
        return file.getvalue()

    def described(self) -> dict[str, Any]:
        """Name, shape and type of each input and output, and what it is."""
        steps = "steps" if not self.state else 1
        named = dict(zip(self.input_names, self.examples, strict=True))
        shapes: dict[str, list[Any]] = {
            name: ["batch", *part.shape[1:]] for name, part in (named | self.outputs).items()
        }
        for name in ("values", "past"):
            if name in shapes:
                shapes[name][1] = steps
        for name in shapes.keys() & {"ahead", "times"}:
            shapes[name][1] = f"{steps} + {self.graph.reach}"
        by_name = {
            n: {"shape": shapes[n], "type": str(part.dtype).removeprefix("torch.")}
            for n, part in (named | self.outputs).items()
        }
        after = [name for name in self.outputs if name.endswith("_after")]
        before = {name: f"{name.removesuffix('_after')}_before" for name in after}
        return {
            "inputs": {name: by_name[name] for name in self.inputs},
            "outputs": {name: by_name[name] for name in self.outputs if name not in after},
            "state": [
                {**({"input": before[name]} if self.state else {}), "output": name, **by_name[name]} for name in after
            ],
        }


def _example(run: Run, graph: Graph, step: bool) -> State:
    """Inputs by name, as many as the forecaster reads."""
    steps = 1 if step else (graph.window or 0) + _STEPS_TRACED
    channels = channels_read(run, graph)
    past = [channel for channel in channels if channel.role == "past"]
    future = tuple(channel for channel in channels if channel.role == "future")
    dated = is_dated(future)
    given = {"values": torch.ones(_BATCH_TRACED, steps, dtype=torch.float64)}
    if len(run.record.data.ids) > 1:
        given["series"] = torch.zeros(_BATCH_TRACED, dtype=torch.int64)
    for name, rows, count in (("past", steps, len(past)), ("ahead", steps + graph.reach, (~dated).sum())):
        if count:
            given[name] = torch.zeros(_BATCH_TRACED, rows, int(count), dtype=torch.float64)
    if dated.any():
        given["times"] = torch.zeros(_BATCH_TRACED, steps + graph.reach, dtype=torch.int64)
    return given


def _session(runtime: Any, content: bytes) -> Any:
    """Return a function from inputs to outputs by name."""
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(feed: Feed) -> Feed:
        return dict(zip(names, session.run(names, feed), strict=True))

    return run


def _extra(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ForecastError(
            f"graphs are written and checked by {module}, which is missing: pip install 'recurrent-forecast[onnx]'"
        ) from None


_MEANING = {
    "values": "the target as in the data, oldest first; a context is read as if its series began with it",
    "series": "number of the series in `series`, from 0",
    "past": "covariates known up to a step, in the order of `past`; of a category its place in `categories`",
    "ahead": "covariates known ahead, of the steps of `values` and as many after them, in the order of `ahead`",
    "times": "of the same steps as `ahead`: seconds since 1970-01-01 on the wall clock of the series",
    "forecast": "the next steps, in the unit of the target",
    "quantiles": "of the next steps, at `levels`, as wide as the run's calibration found them",
    "probabilities": "of each symbol, in the order of `symbols`",
}


def _content_of(run: Run, graph: Graph, described: dict[str, Any], checked: dict[str, Any]) -> dict[str, Any]:
    """Everything that a program needs to know to use the graphs."""
    record, calendar, target = run.record, run.calendar, channels_of(run.record)[0]
    meaning = dict(_MEANING)
    if run.problem.question.binary:
        meaning["forecast"] = "probability that the target is higher at each of the next steps than now"
    if graph.may_miss:
        meaning["values"] += "; NaN where one is missing, but for the first"
    names = {name for graph_ in described.values() for part in ("inputs", "outputs") for name in graph_[part]}
    channels = {
        role: [
            {"name": c.name, "categories": list(c.categories), "date_feature": c.computed}
            for c in channels_read(run, graph)
            if c.role == of_role and not is_dated((c,))[0]
        ]
        for role, of_role in (("past", "past"), ("ahead", "future"))
    }
    return {
        "format": 1,
        "network": record.network.name,
        "trained": record.created,
        "target": target.name,
        "unit": "as in the data that the network was trained on",
        "symbols": list(target.categories),
        "frequency": calendar.freq or f"steps of {calendar.step}",
        "timezone": calendar.timezone,
        "horizon": record.problem.horizon,
        "season_steps": record.problem.season_steps,
        "fewest_context_steps": graph.fewest,
        "levels": list(QUANTILES) if "quantiles" in names else [],
        "series": list(record.data.ids),
        **channels,
        "meaning": {name: text for name, text in meaning.items() if name in names},
        "state": "zeros before the first step of a sequence; what comes out of one step goes into the next",
        "graphs": described,
        "checked": {**checked, "tolerance": TOLERANCE, "unit": "the scale of a series"},
        "versions": package_versions(),
    }
