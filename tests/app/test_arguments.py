import pytest

from forecast.app.arguments import read_command_line
from forecast.app.overrides import override_value, parse_override, text_keys
from forecast.errors import ForecastError


def value_of(*typed):
    """What Hydra makes of the last override, as typed."""
    return parse_override(read_command_line(typed).overrides[-1]).value()


@pytest.mark.parametrize(
    "text",
    [
        "my file (1).csv",
        "종가(원)",
        "주가 데이터.csv",
        r"C:\x",
        "C:\\x\\",
        r"C:\Users\me\my (1).csv",
        "a,b.csv",
        "it's.csv",
        'a "quoted" name',
        "a=b.csv",
        "x{1}[2].csv",
        "2020",
        "007",
        "true",
        "1e3",
        "#!&;|<>",
        " leading",
    ],
)
@pytest.mark.parametrize("key", ["data.path", "data.target", "run", "hydra.run.dir"])
def test_text_arrives_as_typed(key, text):
    assert value_of(f"{key}={text}") == text


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("data.target=null", None),
        ("data.target=[Open,Close]", ["Open", "Close"]),
        ("data.target=[종가(원),시가 (a, b)]", ["종가(원)", "시가 (a, b)"]),
        ("data.target=[1,2]", ["1", "2"]),
        ("data.path='already quoted.csv'", "already quoted.csv"),
        ('data.path="already quoted.csv"', "already quoted.csv"),
        ("data.holidays=2026-12-25,2026-12-28", ["2026-12-25", "2026-12-28"]),
        ("data.holidays=[]", []),
        ("data.missing=n/a", ["n/a"]),
        ("horizon=30", 30),
        ("model.dropout=0.5", 0.5),
        ("training.refit=false", False),
        ("model.hidden_size=${horizon}", "${horizon}"),
        ("baseline=[naive,ridge]", ["naive", "ridge"]),
        ("baseline=[]", []),
        ("baseline=null", []),
        ("+x={a:1,b:2}", {"a": 1, "b": 2}),
        ("model.name=(odd)", "(odd)"),
    ],
)
def test_what_is_no_plain_text_keeps_its_meaning(typed, value):
    assert value_of(typed) == value


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("model=rnn,lstm", ["rnn", "lstm"]),
        ("model.hidden_size=32,64", ["32", "64"]),
        ("seed=range(3)", ["0", "1", "2"]),
        ("model.hidden_size=choice(8,16)", ["8", "16"]),
        ("data.target=종가(원),시가", ["'종가(원)'", "'시가'"]),
        ("data.path=a (1).csv,b.csv", ["'a (1).csv'", "'b.csv'"]),
        ("baseline=[naive],[naive,ridge]", ["[naive]", "[naive,ridge]"]),
    ],
)
def test_sweeps_stay_sweeps(typed, values):
    override = parse_override(read_command_line(["-m", typed]).overrides[-1])
    assert list(override.sweep_string_iterator()) == values


def test_a_comma_of_a_file_that_is_there_is_no_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.csv").touch()
    assert value_of("-m", "data.path=a,b.csv") == "a,b.csv"
    assert value_of("-m", "data.delimiter=,") == ","


@pytest.mark.parametrize("place", range(3))
def test_multirun_may_stand_anywhere(place):
    typed = ["model=rnn,lstm", "horizon=3"]
    typed.insert(place, "-m")
    line = read_command_line(typed)
    assert line.sweeps
    assert line.flags == ("-m",)
    assert line.overrides == ("model=rnn,lstm", "horizon=3")


def test_flags_keep_their_values():
    line = read_command_line(["horizon=3", "--cfg", "job", "-cd=my conf", "seed=1", "-i", "model=gru"])
    assert line.flags == ("--cfg", "job", "-cd", "my conf", "-i", "all")
    assert line.flag("--config-dir", "-cd") == "my conf"
    assert line.overrides == ("horizon=3", "seed=1", "model=gru")
    assert line.shows


@pytest.mark.parametrize("flag", ["--config-path=x", "--experimental-rerun=x", "--nonsense", "--cfg", "--cfg=jobb"])
def test_a_flag_that_is_none_is_refused(flag):
    with pytest.raises(ForecastError, match=flag.partition("=")[0]):
        read_command_line([flag])


def test_a_file_alone_says_csv():
    assert read_command_line(["data.path=x.csv"]).overrides == (
        "data=csv",
        "model=auto",
        "horizon=0",
        "data.path='x.csv'",
    )
    assert read_command_line(["data=csv", "data.path=x.csv"]).overrides == (
        "model=auto",
        "horizon=0",
        "data=csv",
        "data.path='x.csv'",
    )
    assert read_command_line(["data=stock", "data.path=x.csv"]).overrides == ("data=stock", "data.path='x.csv'")
    assert read_command_line(["experiment=characters", "data.path=x.txt"]).overrides[0] == "experiment=characters"
    assert read_command_line(["experiment=family", "data.path=x.csv"]).overrides[0] == "data=csv"


def test_a_collection_to_pretrain_on_is_read_as_a_file_is():
    typed = ["task=pretrain", "pretrain.data=x.csv", "data.id=shop"]
    assert {"data=csv", "data.path='x.csv'"} <= set(read_command_line(typed).overrides)
    said = [*typed, "data.path=y.csv"]
    assert [one for one in read_command_line(said).overrides if one.startswith("data.path")] == ["data.path='y.csv'"]
    assert read_command_line(["task=pretrain", "pretrain.data=null"]).overrides == (
        "task=pretrain",
        "pretrain.data=null",
    )


def test_training_said_as_a_task_is_the_same_as_not_saying_it():
    assert "model=auto" in read_command_line(["data.path=x.csv", "task=train"]).overrides


@pytest.mark.parametrize(
    "said", ["model=lstm", "model.head=quantile", "training.lanes=4", "ensemble=3", "task=check", "-m"]
)
def test_who_says_something_of_a_model_gets_no_other(said):
    assert "model=auto" not in read_command_line(["data.path=x.csv", said]).overrides


@pytest.mark.parametrize(
    "typed",
    [
        ["my sales.csv"],
        ["data=my sales.csv"],
        ["csv=my sales.csv"],
        ["file=my sales.csv"],
        ["--csv", "my sales.csv"],
        ["--file=my sales.csv"],
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_file_stands_for_itself(typed, there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if there:
        (tmp_path / "my sales.csv").touch()
    line = read_command_line([*typed, "horizon=3"])
    assert line.overrides == ("data=csv", "model=auto", "horizon=3", "data.path='my sales.csv'")


def test_what_is_there_is_a_file_and_what_is_not_may_be_a_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("sales", "a=b", "seed=1"):
        (tmp_path / name).touch()
    assert read_command_line(["sales"]).overrides[-1] == "data.path='sales'"
    assert read_command_line(["a=b"]).overrides[-1] == "data.path='a=b'"
    assert read_command_line(["seed=1", "data=stock", "lstm"]).overrides == ("seed=1", "data=stock", "lstm")
    assert read_command_line(["-", "data=text"]).overrides == ("data=text", "data.path='-'")
    assert read_command_line(["sales", "a=b"]).overrides[-1] == "data.path=['sales','a=b']"
    (tmp_path / "a${b}.csv").touch()
    assert value_of("data.path=a${b}.csv") == r"a\${b}.csv"  # which OmegaConf reads as text


@pytest.mark.parametrize("typed", ["=3", "==", "+=3"])
def test_a_setting_without_a_name(typed):
    with pytest.raises(ForecastError, match="has no name before the `=`"):
        read_command_line([typed])


def test_a_bracket_that_is_never_closed():
    with pytest.raises(ForecastError, match=r"`data\.future=\[a,` opens a bracket"):
        read_command_line(["data.future=[a,", "b]"])


def test_a_name_that_is_no_text():
    with pytest.raises(ForecastError, match=r"`data\.path=s\\xe9les\.csv` is not written in UTF-8: rename the file"):
        read_command_line(["data.path=s\udce9les.csv"])


def test_parameters_of_a_regressor_may_be_new():
    assert read_command_line(["baseline.ridge.params.alpha=3"]).overrides == ("++baseline.ridge.params.alpha=3",)


def test_text_keys_come_from_the_settings():
    assert {"data.path", "data.target", "data.delimiter", "run", "report.series"} <= text_keys().single
    assert not {"data.on_gaps", "data.transform", "horizon", "model.reference"} & text_keys().single
    assert text_keys().several >= {"data.holidays", "data.missing"}


def test_value_without_quotes():
    assert override_value("data.target='Close (USD)'") == "Close (USD)"
    assert override_value("model.hidden_size=32") == "32"
