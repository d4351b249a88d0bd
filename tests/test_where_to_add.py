"""The table *Where do I add ...* of CONTRIBUTING.md: each row is really done in a copy, in the files that it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from forecast.app import main

ROOT = Path(__file__).parents[1]
BASELINES = "forecast/forecasters/baselines.py"


class Copy:
    """A copy of package and configuration, and which of its files were edited for which row of the table."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.edited: dict[str, set[str]] = {}
        self.printed = ""
        for name in ("forecast", "conf", "data"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))

    def write(self, row: str, file: str, text: str) -> None:
        """Write a new file."""
        path = self.root / file
        assert not path.exists()
        path.write_text(text, encoding="utf-8")
        self.edited.setdefault(row, set()).add(f"{Path(file).parent}/<name>{path.suffix}")

    def insert(self, row: str, file: str, text: str, *, before: str = "", after: str = "") -> None:
        """Insert lines before or after the one line of a file that begins so."""
        lines = (self.root / file).read_text(encoding="utf-8").splitlines(keepends=True)
        (at,) = [i for i, line in enumerate(lines) if line.startswith(before or after)]
        lines.insert(at + bool(after), text)
        (self.root / file).write_text("".join(lines), encoding="utf-8")
        self.edited.setdefault(row, set()).add(file)

    def replace(self, row: str, file: str, old: str, new: str) -> None:
        """Replace the one place of a file where a text stands."""
        text = (self.root / file).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (self.root / file).write_text(text.replace(old, new), encoding="utf-8")
        self.edited.setdefault(row, set()).add(file)

    def python(self, code: str, *arguments: str) -> str:
        """Run code in the copy, and return what it prints."""
        # Kernels would be compiled anew for the copy, which takes longer than all else.
        variables = {**os.environ, "PYTHONPATH": str(self.root), "COLUMNS": "200", "NUMBA_DISABLE_JIT": "1"}
        command = [sys.executable, "-c", code, *arguments]
        ran = subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


METRIC = '''
def bias(groups: Groups) -> FloatArray:
    """Mean error: above 0 where forecasts are too high."""
    errors = groups.rows["y_hat"] - groups.rows["y"]
    return errors.groupby(groups.rows["group"]).mean().to_numpy()


'''


def add_metric(copy: Copy) -> None:
    row, file = "a metric", "forecast/evaluation/metrics.py"
    copy.insert(row, file, METRIC, before="METRICS: dict")
    copy.insert(
        row, file, '    "bias": Metric(bias, "mean bias", "mean error, above 0 if too high"),\n', after="METRICS: dict"
    )


CELL_SETTINGS = '''
class LeakySettings(BackboneSettings):
    """A leaky integrator of its inputs."""

    name: Literal["leaky"] = "leaky"
    leak: float = Field(0.5, gt=0, le=1)


'''
CELL = '''
class LeakyCell(nn.Module):
    """h_t = (1 - a) h_{t-1} + a tanh(W x_t + b)."""

    def __init__(self, settings: Any, input_size: int) -> None:
        super().__init__()
        self.leak, self.feature_size = settings.leak, settings.hidden_size
        self.input = nn.Linear(input_size, settings.hidden_size)

    def initial_state(self, lanes: int) -> State:
        return (self.input.weight.new_zeros(lanes, self.feature_size),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        (h,), features = state, []
        for step in torch.tanh(self.input(x)).unbind(dim=1):
            h = (1 - self.leak) * h + self.leak * step
            features.append(h)
        return torch.stack(features, dim=1), (h,)


'''
CELL_YAML = "name: leaky\nlayers: 1\nhidden_size: 8\nleak: 0.5\nhead: point\nreference: auto\n"


def add_cell(copy: Copy) -> None:
    row = "a recurrent cell"
    copy.insert(row, "forecast/network/cells.py", CELL, before="def build_backbone")
    copy.insert(row, "forecast/network/settings.py", CELL_SETTINGS, before="class Cell(")
    line = '    "leaky": Cell(LeakySettings, "forecast.network.cells:LeakyCell"),\n'
    copy.insert(row, "forecast/network/settings.py", line, after="CELLS: dict")
    copy.write(row, "conf/model/leaky.yaml", CELL_YAML)


RULE = '''
def last_change_halved(past: Panel, origins: Origins, problem: Problem) -> FloatArray:
    """The last value, and half of the last change."""
    rows = origins.rows(past)
    y = past.target[rows] + 0.5 * (past.target[rows] - past.target[rows - 1])
    return np.repeat(y[:, None], problem.horizon, axis=1)


'''


def add_rule(copy: Copy) -> None:
    row = "a naive rule"
    copy.insert(row, "forecast/forecasters/naive.py", RULE, before="def last_value")
    copy.insert(
        row,
        BASELINES,
        '    "halved": _rule("last_change_halved", "value"),\n',
        after="METHODS: dict",
    )
    copy.write(row, "conf/baseline/halved.yaml", "# @package baseline.halved\nname: halved\nmethod: halved\n")


def add_regressor(copy: Copy) -> None:
    row = "a regressor of scikit-learn"
    line = '    "omp": Regressor("sklearn.linear_model", "OrthogonalMatchingPursuit", True),\n'
    copy.insert(row, BASELINES, line, after="REGRESSORS: dict")
    yaml = "# @package baseline.omp\nname: omp\nmethod: regression\nregressor: omp\nreference: ${model.reference}\n"
    copy.write(row, "conf/baseline/omp.yaml", yaml)


def add_classifier(copy: Copy) -> None:
    line = '    "decision_tree": ClassifierEntry("sklearn.tree", "DecisionTreeClassifier"),\n'
    copy.insert("a classifier of scikit-learn, for symbols", BASELINES, line, after="CLASSIFIERS: dict")


SHIFT_SETTINGS = '''
class ShiftSettings(NamedSettings):
    """The last value, shifted."""

    method: Literal["shift"]
    by: float = 1.0


'''
SHIFT = '''"""The last value, shifted by a number."""

from dataclasses import dataclass

from forecast.forecasters.naive import NaiveRule, last_value


@dataclass(frozen=True)
class Shift:
    """A shift."""

    name: str
    by: float
    kind: str = "naive"

    def fit(self, past, train_steps, problem):
        """Fit nothing."""
        return NaiveRule(self.name, lambda *past: last_value(*past) + self.by).fit(past, train_steps, problem)
'''
SHIFT_BUILT = """
def _shift(settings: ShiftSettings, seed: int) -> Forecaster:
    from forecast.forecasters.shift import Shift

    return Shift(settings.name, settings.by)


"""


def add_baseline(copy: Copy) -> None:
    row, file = "another baseline", BASELINES
    copy.write(row, "forecast/forecasters/shift.py", SHIFT)
    copy.insert(row, "forecast/forecasters/settings.py", SHIFT_SETTINGS, before="class StatisticalSettings")
    copy.insert(row, file, "    ShiftSettings,\n", before="    StatisticalSettings,")
    copy.insert(row, file, SHIFT_BUILT, before="METHODS: dict")
    copy.insert(row, file, '    "shift": Method(ShiftSettings, _shift),\n', after="METHODS: dict")
    copy.write(row, "conf/baseline/shift.yaml", "# @package baseline.shift\nname: shift\nmethod: shift\nby: 2.0\n")


SOURCE_SETTINGS = '''
class SawtoothSettings(SeriesSettings):
    """A sawtooth."""

    name: Literal["sawtooth"] = "sawtooth"
    period: int = Field(default=10, ge=2)


'''
SOURCE = """
def _load_sawtooth(settings: Any, _symbols: tuple[str, ...]) -> Source:
    from forecast.series.calendar import Calendar
    from forecast.series.panel import single_series

    steps = np.arange(300)
    panel = single_series((steps % settings.period).astype(float), steps, Calendar(freq=None), name="sawtooth")
    return Source(panel, {"sawtooth of period": str(settings.period)}, (), fingerprint_panel(panel))


"""


def add_source(copy: Copy) -> None:
    row = "a data source"
    copy.insert(row, "forecast/reading/settings.py", SOURCE_SETTINGS, before="DATA = OneOf")
    copy.insert(
        row, "forecast/reading/settings.py", '        "sawtooth": SawtoothSettings,\n', after='        "sinewave":'
    )
    copy.insert(row, "forecast/reading/sources.py", SOURCE, before="SOURCES: dict")
    copy.insert(row, "forecast/reading/sources.py", '    "sawtooth": _load_sawtooth,\n', after="SOURCES: dict")
    copy.write(row, "conf/data/sawtooth.yaml", "name: sawtooth\nperiod: 7\ncontext_steps: null\nseason_steps: null\n")


HEAD = '''
class LaplaceHead(GaussianHead):
    """A Laplace distribution."""

    def loss(self, raw: Tensor, target: Tensor, level: Level | None) -> Tensor:
        spread = self.spread(raw)
        return (target - self.point(raw, level)).abs() / spread + spread.log() + math.log(2)

    def quantile(self, raw: Tensor, probability: Tensor, level: Level | None) -> Tensor:
        z = -torch.sign(probability - 0.5) * torch.log1p(-2 * (probability - 0.5).abs())
        return self.point(raw, level) + self.spread(raw) * z


'''


def add_head(copy: Copy) -> None:
    row = "a head"
    copy.insert(row, "forecast/network/distributions.py", HEAD, before="class StudentHead")
    copy.insert(
        row,
        "forecast/network/heads.py",
        "from forecast.network.distributions import LaplaceHead\n",
        before="HUBER_DELTA",
    )
    line = '    "laplace": lambda settings, input_spec: LaplaceHead(input_spec.horizon),\n'
    copy.insert(row, "forecast/network/heads.py", line, after="HEADS: dict")
    copy.replace(row, "forecast/questions/kinds.py", '= ("point",', '= ("point", "laplace",')


QUESTION = '''
class Above(Question):
    """Whether the value at each step ahead is above zero."""

    name = "above"
    phrase = "whether values are above zero"
    says = "how likely a value above zero is"
    announcement = "forecast is the probability that each step is above zero"
    heads = ("above",)
    ranked_by = "brier_above"
    ranked_by_label = "Brier score"
    shown_beside = "accuracy"
    plain_baseline = BASE_RATE
    forecasts_probabilities = True
    binary = True
    not_fed_back = "says how likely each step is above zero, which is nothing to be read as its value"

    def outcomes(self, panel, rows, horizon):
        import numpy as np

        y = super().outcomes(panel, rows, horizon)
        return np.where(np.isnan(y), np.nan, y > 0)

    def implied(self, values, origin):
        return values > 0

    def loss(self, results):
        return (results["y"] - results["y_hat"]) ** 2

    def training_targets(self, ahead, exists, origin, reference):
        return (exists & (ahead > 0)).astype(ahead.dtype), exists

    def base_rates(self, past, train_steps, horizon):
        import numpy as np

        from forecast.questions.outcomes import bounded_rate

        train = past.cut(train_steps)
        known = train.target[train.target_observed]
        return np.full(horizon, bounded_rate(int((known > 0).sum()), len(known)))


'''
QUESTION_HEAD = '''
class AboveHead(DirectionHead):
    """Probability of a value above zero."""

    question = QUESTIONS["above"]


'''


def add_question(copy: Copy) -> None:
    """The steps of the section *A fourth question*; it has no row in the table."""
    row, kinds, heads = "a fourth question", "forecast/questions/kinds.py", "forecast/network/heads.py"
    copy.replace(
        row, kinds, 'Literal["value", "direction", "symbol"]', 'Literal["value", "direction", "symbol", "above"]'
    )
    copy.insert(row, kinds, QUESTION, before="VALUE, DIRECTION, SYMBOL =")
    copy.replace(
        row, kinds, "for question in (VALUE, DIRECTION, SYMBOL)", "for question in (VALUE, DIRECTION, SYMBOL, Above())"
    )
    copy.insert(row, heads, "from forecast.questions.kinds import QUESTIONS\n", before="HUBER_DELTA")
    copy.insert(row, heads, QUESTION_HEAD, before="HEADS: dict")
    line = '    "above": lambda settings, input_spec: AboveHead(input_spec.horizon),\n'
    copy.insert(row, heads, line, after="HEADS: dict")
    metrics = '    "above": {"brier_above": _DIRECTION_METRICS["brier"], "accuracy": _DIRECTION_METRICS["accuracy"]},\n'
    copy.insert(row, "forecast/evaluation/metrics.py", metrics, after="METRICS_OF: dict")
    copy.replace(
        row,
        BASELINES,
        '_rule("last_season", "value", "direction")',
        '_rule("last_season", "value", "direction", "above")',
    )


def add_loss(copy: Copy) -> None:
    row = "a loss of points"
    line = '    "log_cosh": lambda forecast, target: torch.cosh(forecast - target).log(),\n'
    copy.insert(row, "forecast/network/heads.py", line, after="LOSSES: dict")
    copy.replace(row, "forecast/network/settings.py", 'Literal["mae", "mse",', 'Literal["mae", "log_cosh", "mse",')


QUARTER = """
def _of_quarter(wall: TimeArray) -> FloatArray:
    return (_month_of_year(wall) * 4) % 1


"""


def add_date_feature(copy: Copy) -> None:
    row, file = "a feature of the date", "forecast/series/date_features.py"
    copy.insert(row, file, QUARTER, before="FEATURES: dict")
    line = '    "quarter": Feature(_of_quarter, days=91.3, finest=0, coarsest=45),\n'
    copy.insert(row, file, line, after="FEATURES: dict")
    copy.replace(row, "forecast/reading/settings.py", 'Literal["hour",', 'Literal["hour", "quarter",')


SECTION = '''"""How many forecasts were scored."""

from forecast.reporting.charts import Figure


def build(material):
    return {"count": int(material.results["y"].notna().sum())}


def draw(contents, summary):
    return Figure("scored", "Forecasts that were scored", f"{contents['count']} forecasts were scored.", ())
'''


def add_report_section(copy: Copy) -> None:
    row, file = "a section of the report", "forecast/reporting/sections/__init__.py"
    copy.write(row, "forecast/reporting/sections/scored.py", SECTION)
    copy.insert(row, file, "    scored,\n", before="    residuals,")
    copy.insert(row, file, '    Section("scored", scored.build, scored.draw),\n', after="SECTIONS = (")


PROBE_SECTION = '''"""How many weights the network has."""

from forecast.inspection.page import Section
from forecast.reporting.charts import Figure

SECTION = Section(
    "weights",
    measure=lambda system: sum(part.numel() for part in system.fitted.network.parameters()),
    figures=lambda count, _: (Figure("weights", "How many weights it has", f"It has {count} weights.", ()),),
    numbers=lambda count: {"weights": count},
)
'''


def add_probe_section(copy: Copy) -> None:
    row, file = "a section of the probe", "forecast/inspection/sections.py"
    copy.write(row, "forecast/inspection/weights.py", PROBE_SECTION)
    copy.insert(row, file, "    weights,\n", after="    units,")
    copy.insert(row, file, "    weights.SECTION,\n", after="SECTIONS: tuple")


EXTENSIONS = '''"""A cell and a baseline of the user's own, in the folder of --config-dir."""

from typing import Literal

from forecast.forecasters.baselines import register_baseline
from forecast.network.settings import BackboneSettings, register_cell


class PlainSettings(BackboneSettings):
    name: Literal["plain"] = "plain"
    label: str = ""


def plain(settings, input_size):
    from forecast.network.cells import rnn
    from forecast.network.settings import RnnSettings

    return rnn(RnnSettings(hidden_size=settings.hidden_size), input_size)


def build_zeros(settings, seed):
    from forecast.forecasters.naive import NaiveRule, last_value

    return NaiveRule(settings.name, lambda *given: 0 * last_value(*given))


register_cell("plain", PlainSettings, plain)
register_baseline("zeros", build_zeros)
'''
PLAIN_YAML = 'name: plain\nhidden_size: 4\nhead: point\nloss: mae\nlabel: ""\n'


def extend(root: Path) -> None:
    """Write a configuration folder of the user's own."""
    for folder in ("model", "baseline"):
        (root / "mine" / folder).mkdir(parents=True)
    (root / "mine" / "extensions.py").write_text(EXTENSIONS, encoding="utf-8")
    (root / "mine" / "model" / "plain.yaml").write_text(PLAIN_YAML, encoding="utf-8")
    yaml = "# @package baseline.zeros\nname: zeros\nmethod: zeros\n"
    (root / "mine" / "baseline" / "zeros.yaml").write_text(yaml, encoding="utf-8")


ADDITIONS = {
    "a metric": add_metric,
    "a recurrent cell": add_cell,
    "a naive rule": add_rule,
    "a regressor of scikit-learn": add_regressor,
    "a classifier of scikit-learn, for symbols": add_classifier,
    "another baseline": add_baseline,
    "a data source": add_source,
    "a head": add_head,
    "a loss of points": add_loss,
    "a feature of the date": add_date_feature,
    "a section of the report": add_report_section,
    "a section of the probe": add_probe_section,
}

QUICK = "--config-dir=mine horizon=3 training.max_epochs=2 report.png=false "
JOBS = (
    f"{QUICK} data=sawtooth model=leaky model.head=laplace baseline=[halved,omp,zeros,shift] hydra.run.dir=run",
    "--config-dir=mine task=predict run=run hydra.run.dir=predicted",
    f"{QUICK} data.path=days.csv data.calendar=quarter model=plain model.label=12 model.loss=log_cosh baseline=[naive] "
    "hydra.run.dir=days",
    "--config-dir=mine task=probe run=days report.png=false",
    f"{QUICK} data=text data.text=abacus data.repeat=20 model=leaky model.head=categorical baseline=[softmax] "
    "baseline.softmax.classifier=decision_tree hydra.run.dir=text",
    f"{QUICK} model=leaky model.head=above baseline=[seasonal_naive] hydra.run.dir=above",
    "task=predict run=above hydra.run.dir=after_above",
)
IN_THE_COPY = """
import json, sys
from forecast.app import main
from forecast.network.cells import build_backbone
from forecast.network.settings import NETWORKS
for job in json.loads(sys.argv[1]):
    assert main(job.split()) == 0, job
sizes = []
for name, layers, hidden_size, inputs in (("leaky", 1, 8, 5), ("leaky", 3, 8, 5), ("plain", 2, 4, 3)):
    backbone = build_backbone(NETWORKS.check({"name": name, "layers": layers, "hidden_size": hidden_size}), inputs)
    sizes.append(sum(part.numel() for part in backbone.parameters()))
print(json.dumps(sizes))
"""


@pytest.fixture(scope="module", name="copy")
def make_copy(tmp_path_factory):
    """A copy with all additions, and runs of jobs that use them, all in one process."""
    copy = Copy(tmp_path_factory.mktemp("copy"))
    for add in ADDITIONS.values():
        add(copy)
    add_question(copy)
    extend(copy.root)
    days = pd.date_range("2023-01-01", periods=300).astype(str)
    table = pd.DataFrame({"day": days, "y": [(step * step) % 17 for step in range(300)]})
    table.to_csv(copy.root / "days.csv", index=False)
    copy.printed = copy.python(IN_THE_COPY, json.dumps(JOBS))
    return copy


def rows_of_the_table() -> dict[str, set[str]]:
    """Of each row what is added, and the files that it names."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.search(r"## Where do I add[^|]*\n((?:\|.*\n)+)", text).group(1)
    rows = [line.strip("|\n").split("|") for line in table.splitlines()[2:]]
    return {cells[0].strip(): set(re.findall(r"`((?:forecast|conf)/[\w/<>.]+)`", "|".join(cells))) for cells in rows}


def test_every_row_is_done():
    assert set(ADDITIONS) == set(rows_of_the_table())


@pytest.mark.parametrize("row", ADDITIONS)
def test_a_row_names_the_files_that_were_edited_and_no_others(copy, row):
    assert copy.edited[row] == rows_of_the_table()[row]


def opened(folder: Path) -> tuple[pd.DataFrame, dict, str]:
    """Leaderboard, record and page of a run; every row of the leaderboard has its scores."""
    board = pd.read_csv(folder / "leaderboard.csv").set_index("model")
    assert (board["status"] == "ok").all()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return board, record, (folder / "report.html").read_text(encoding="utf-8")


def test_data_cell_head_baselines_metric_and_section(copy):
    board, record, page = opened(copy.root / "run")
    assert {"leaky", "halved", "omp", "zeros", "shift"} <= set(board.index)
    assert board["bias"].notna().all()
    assert "mean bias" in page
    assert "Forecasts that were scored" in page
    assert record["settings"]["model"]["head"] == "laplace"
    assert record["settings"]["data"]["name"] == "sawtooth"
    assert (copy.root / "predicted" / "forecast.csv").is_file()


def test_loss_feature_and_section_of_the_probe(copy):
    _, record, _ = opened(copy.root / "days")
    settings = record["settings"]
    assert (settings["model"]["loss"], settings["data"]["calendar"]) == ("log_cosh", "quarter")
    numbers = json.loads((copy.root / "days" / "probe.json").read_text(encoding="utf-8"))
    assert numbers["weights"] > 0
    assert "How many weights it has" in (copy.root / "days" / "probe.html").read_text(encoding="utf-8")


def test_a_classifier(copy):
    board, record, _ = opened(copy.root / "text")
    assert record["settings"]["baseline"]["softmax"]["classifier"] == "decision_tree"
    assert board.loc["softmax", "accuracy"] == 1.0  # the text repeats itself


def test_a_fourth_question(copy):
    """In the files that the section names, and with what every question has: ranking, page, forecast."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"## A fourth question\n(.*?)\n## ", text, re.DOTALL).group(1)
    assert copy.edited["a fourth question"] <= set(re.findall(r"`(forecast/[\w/]+\.py)`", section))
    board, record, page = opened(copy.root / "above")
    assert set(board.index) == {"leaky", "base_rate", "seasonal_naive"}
    assert board["brier_above"].is_monotonic_increasing
    assert board.loc["seasonal_naive", "brier_above"] < board.loc["base_rate", "brier_above"]  # the wave repeats itself
    assert record["settings"]["model"]["head"] == "above"
    assert "Do the probabilities come true?" in page
    forecasts = pd.read_csv(copy.root / "after_above" / "forecasts.csv")
    assert forecasts["y_hat"].between(0, 1).all()


def test_an_added_cell_is_stacked(copy):
    one, three, plain = json.loads(copy.printed.splitlines()[-1])
    assert one == 8 * (5 + 1)
    assert three == one + 2 * 8 * (8 + 1)
    assert plain == 4 * (3 + 4 + 2) + 4 * (4 + 4 + 2)  # the user's own, of two layers with two biases each


def test_a_text_setting_of_ones_own_cell_stays_text(copy):
    _, record, _ = opened(copy.root / "days")
    assert record["settings"]["model"]["label"] == "12"


def test_an_extension_that_fails_is_one_line(tmp_path, capsys):
    (tmp_path / "extensions.py").write_text("1 / 0", encoding="utf-8")
    assert main([f"--config-dir={tmp_path}", "--cfg=job"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "extensions.py` fails: ZeroDivisionError" in message
