"""Attributions against weights worked out by hand, that they add up, and what is said and drawn of them."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of, random_walk

from forecast.errors import ForecastError
from forecast.forecasters.recurrent import Recurrent
from forecast.inspection.answers import RISES, VALUES
from forecast.inspection.attribution import Attribution, attribute, attribution_figures, method_says, shares
from forecast.inspection.integrated_gradients import Forecasting, Point, integrate
from forecast.inspection.page import season_name, seasons_back
from forecast.inspection.past_values import lag_edges
from forecast.network.settings import GruSettings, LstmSettings, RnnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins, split_panel
from forecast.reporting.pictures import picture_spec, write_pictures
from forecast.series.calendar import Calendar
from forecast.series.date_features import with_features
from forecast.training.settings import TrainingSettings

CELLS = {"rnn": RnnSettings, "lstm": LstmSettings, "gru": GruSettings}

SEASON = 20

PROBLEM = Problem(horizon=5, context_steps=24, season_steps=SEASON)

QUICK = TrainingSettings(max_epochs=2, batches_per_epoch=8)


def fitted_on(panel, settings, training=QUICK, problem=PROBLEM):
    split = split_panel(panel, 0.15, 0.2, problem.context_steps, problem.horizon)
    return Recurrent(settings, training).fit(panel.cut(split.before_test), split.train, problem)


def changed(fitted, change):
    """The same with a network that has been changed by hand."""
    network = copy.deepcopy(fitted.network)
    with torch.no_grad():
        network.correction.fill_(1.0)  # all of it is used
        change(network)
    return replace(fitted, network=network)


def silenced(network):
    network.decoder.out.weight.zero_()
    network.decoder.out.bias.zero_()


def at(*steps, series=0):
    return Origins(np.full(len(steps), series), np.array(steps))


def by_single_lag(found, lags):
    """Attributions of ranges of a single lag."""
    places = np.searchsorted(found.edges, lags)
    assert (np.diff(found.edges)[places] == 1).all()
    return found.by_lag[:, :, places]


@pytest.fixture(scope="module")
def panel():
    return panel_of(noisy_sine(300), 100 + 10 * noisy_sine(260, seed=3))


def weights_by_hand(name, fitted, t, ahead):
    """Weight of each lag 0..t in a reference's forecast."""
    lags = np.arange(t + 1)
    if name == "last":
        return (lags == 0).astype(float)
    if name == "seasonal":
        return (lags == SEASON - ahead).astype(float)
    if name == "mean":
        return np.full(t + 1, 1 / (t + 1))
    if name == "level":
        a = fitted.reference.smoothing
        return np.where(lags == t, (1 - a) ** t, a * (1 - a) ** lags)
    return np.zeros(t + 1)


@pytest.mark.parametrize("name", ["last", "seasonal", "mean", "level", "none"])
@pytest.mark.parametrize("regime", ["stream", "windows"])
def test_a_network_that_adds_nothing_leaves_the_weights_of_its_reference(panel, name, regime):
    training = QUICK.model_copy(update={"regime": regime})
    fitted = changed(fitted_on(panel, RnnSettings(hidden_size=3, reference=name), training), silenced)
    attribution = attribute(fitted, panel, at(40, 180, series=1), ahead=(1, 4))
    centre = fitted.reference.centre[1]
    y = panel.target[panel.offsets[1] :]
    for i, t in enumerate((40, 180)):
        for j, ahead in enumerate((1, 4)):
            expected = weights_by_hand(name, fitted, t, ahead) * (y[: t + 1][::-1] - centre)
            got = by_single_lag(attribution, np.arange(t + 1))[i, j]
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)
            np.testing.assert_allclose(attribution.by_reference[i, j], attribution.by_lag[i, j], rtol=0, atol=1e-12)
    np.testing.assert_allclose(attribution.baseline, centre)
    np.testing.assert_allclose(attribution.left_over, 0, atol=1e-9)


def test_of_a_blend_each_value_counts_as_much_as_it_changes_the_forecast(panel):
    fitted = changed(fitted_on(panel, RnnSettings(hidden_size=3, reference="blend")), silenced)
    t, ahead = 230, (1, 5)
    past = panel.take(np.array([0])).cut(np.array([t + 1]))
    attribution = attribute(fitted, panel, at(t), ahead=ahead)
    reference = replace(fitted.reference, centre=fitted.reference.centre[:1], weights=fitted.reference.weights[:1])
    before = reference.forecast(past, at(t))[0]
    sums = np.zeros((2, len(attribution.edges) - 1))
    for lag in range(t + 1):
        values = past.values.copy()
        values[t - lag] += 1.0
        weights = reference.forecast(replace(past, values=values), at(t))[0] - before
        place = np.searchsorted(attribution.edges, lag, side="right") - 1
        sums[:, place] += weights[[0, 4]] * (past.target[t - lag] - reference.centre[0])
    np.testing.assert_allclose(attribution.by_lag[0], sums, rtol=0, atol=1e-8)


@pytest.mark.parametrize("walk", [5, 64])
def test_a_linear_network_gives_each_value_its_weight_exactly(walk):
    """relu(w x + u h + b) with b so large that it never bends, reading the last change alone."""
    panel = panel_of(random_walk(120))
    settings = RnnSettings(hidden_size=1, activation="relu", reference="last", level_input=False)
    fitted = fitted_on(panel, settings, problem=Problem(2, 10))
    w, u, b, v = 0.7, 0.6, 50.0, np.array([1.3, -0.4])

    def by_hand(network):
        core = network.backbone.core
        core.weight_ih_l0.copy_(torch.tensor([[w, 0.0]]))
        core.weight_hh_l0.fill_(u)
        core.bias_ih_l0.fill_(b)
        core.bias_hh_l0.zero_()
        network.decoder.out.weight.copy_(torch.tensor(v)[:, None])
        network.decoder.out.bias.zero_()

    fitted, t = changed(fitted, by_hand), 100
    attribution = attribute(fitted, panel, at(t), ahead=(1, 2), read_steps=(walk,))
    lags = np.arange(walk + 1)
    # h_t holds w u^k of the change k steps back, which is a value less the one before it
    of_h = np.where(lags < walk, u**lags, 0.0) - np.where(lags > 0, u ** (lags - 1.0), 0.0)
    unit = fitted.network.input_unit.numpy().astype(np.float64)[0]
    head = v * fitted.network.head.unit.numpy().astype(np.float64) * w / unit  # the scale cancels out
    weights = head[:, None] * of_h + (lags == 0)
    expected = weights * (panel.target[t - lags] - fitted.reference.centre[0])
    np.testing.assert_allclose(by_single_lag(attribution, lags)[0], expected, rtol=1e-5, atol=1e-9)
    further = attribution.by_lag[0, :, np.searchsorted(attribution.edges, walk + 1) :]
    np.testing.assert_allclose(further, 0, atol=1e-9)
    np.testing.assert_allclose(attribution.left_over, 0, atol=1e-8)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("regime", ["stream", "windows"])
@pytest.mark.parametrize("reference", ["last", "seasonal", "level", "blend"])
def test_attributions_of_a_trained_network_add_up(panel, cell, regime, reference):
    training = QUICK.model_copy(update={"regime": regime})
    fitted = fitted_on(panel, CELLS[cell](hidden_size=6, reference=reference), training)
    origins = Origins(np.array([0, 1, 0]), np.array([30, 200, 280]))
    attribution = attribute(fitted, panel, origins)
    assert attribution.ahead.tolist() == [1, 3, 5]
    assert (np.abs(attribution.left_over) <= 0.01 * np.abs(attribution.forecast - attribution.baseline)).all()
    whole = fitted.forecast(panel, origins).y_hat[:, attribution.ahead - 1]
    np.testing.assert_allclose(attribution.with_whole_past, whole, rtol=1e-6)
    tolerance = 1e-5 if regime == "windows" else 2e-3
    deviation = np.array([1.0, 10.0, 1.0])[:, None]
    assert (np.abs(attribution.forecast - whole) <= tolerance * deviation).all()


@pytest.mark.parametrize(
    "options",
    [
        {"head": "quantile"},
        {"head": "student_t", "layers": 2},
        {"strategy": "seq2seq"},
        {"segment_steps": 4},
        {"head": "negative_binomial", "id_embedding": 2},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_attributions_add_up_with_every_head_and_decoder(options):
    counts = np.random.default_rng(0).poisson(10 + 5 * np.sin(np.arange(300) * 2 * np.pi / SEASON)).astype(float)
    fitted = fitted_on(panel_of(counts), GruSettings(hidden_size=6, reference="seasonal", **options))
    attribution = attribute(fitted, panel_of(counts), at(250, 290))
    assert (np.abs(attribution.left_over) <= 0.01 * np.abs(attribution.forecast - attribution.baseline)).all()
    whole = fitted.forecast(panel_of(counts), at(250, 290)).y_hat[:, attribution.ahead - 1]
    np.testing.assert_allclose(attribution.forecast, whole, atol=0.02)


@pytest.mark.parametrize("changes", [{}, {"bidirectional": True}], ids=["stream", "both ends"])
def test_logits_of_a_rise_are_attributed_as_they_are(panel, changes):
    training = QUICK.model_copy(update={"regime": "windows"}) if changes else QUICK
    problem = replace(PROBLEM, target_type="direction")
    fitted = fitted_on(panel, GruSettings(hidden_size=6, head="direction", **changes), training, problem)
    origins = Origins(np.array([0, 1]), np.array([200, 240]))
    attribution = attribute(fitted, panel, origins)
    assert attribution.kind is RISES
    assert not attribution.by_reference.any()
    assert (np.abs(attribution.left_over) <= 0.01 * np.abs(attribution.forecast - attribution.baseline)).all()
    p = fitted.forecast(panel, origins).y_hat[:, attribution.ahead - 1]
    np.testing.assert_allclose(attribution.with_whole_past, np.log(p / (1 - p)), atol=1e-5)
    np.testing.assert_allclose(attribution.forecast, attribution.with_whole_past, atol=2e-3)


def test_forecasts_that_are_fed_back_are_attributed_for_the_next_step_alone(panel):
    fitted = fitted_on(panel, GruSettings(hidden_size=4, reference="last", strategy="recursive"))
    attribution = attribute(fitted, panel, at(250))
    assert attribution.fed_back
    assert attribution.ahead.tolist() == [1]
    np.testing.assert_allclose(
        attribution.with_whole_past[:, 0], fitted.forecast(panel, at(250)).y_hat[:, 0], rtol=1e-6
    )
    with pytest.raises(ForecastError, match="from 1 to 1 steps ahead"):
        attribute(fitted, panel, at(250), ahead=(2,))


def test_what_is_known_ahead_gets_what_it_adds():
    """The decoder is set to raw = sum of weights times what is known of the step, whatever the features are."""
    dated = panel_of(noisy_sine(300))
    times = np.datetime64("2024-01-01", "ns") + np.arange(300) * np.timedelta64(3600, "s")
    dated = replace(dated, times=times, calendar=Calendar("h"))
    panel = with_features(dated, ["hour"], 5)
    fitted = fitted_on(panel, RnnSettings(hidden_size=3, reference="last"))

    def by_hand(network):
        silenced(network)
        network.decoder.reader.weights.weight.zero_()
        network.decoder.reader.weights.bias.zero_()
        network.decoder.reader.weights.bias[0] = 2.0  # of sin(hour)

    attribution = attribute(changed(fitted, by_hand), panel, at(250), ahead=(1, 3))
    assert attribution.covariates == ("hour",)
    sines = np.sin(2 * np.pi * ((250 + np.array([1, 3])) % 24) / 24)
    columns = fitted.encoding.ahead
    known = (sines - columns.centre[0]) / columns.spread[0]
    expected = 2.0 * known * fitted.network.head.unit.numpy()[[0, 2]] * fitted.scale[0]
    np.testing.assert_allclose(attribution.by_covariate[0, :, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(attribution.by_lag[0].sum(axis=-1), panel.target[250] - fitted.reference.centre[0])


def test_a_value_that_is_missing_adds_nothing_and_those_that_it_is_read_from_count_for_it():
    masked = np.zeros((300, 1), dtype=bool)
    masked[[100, 250], 0] = True
    panel = panel_of(noisy_sine(300), observed=[~masked[:, 0]])
    panel = replace(panel, masked=masked)
    fitted = changed(fitted_on(panel, RnnSettings(hidden_size=3, reference="mean")), silenced)
    attribution = attribute(fitted, panel, at(260), ahead=(1,))
    lags = np.array([10, 11, 12, 10 + SEASON, 11 + SEASON])
    got = by_single_lag(attribution, lags)[0, 0]
    weights = np.array([0.0, 1 + 7 / 8, 1.0, 2.0, 1 - 7 / 8])
    expected = weights / 261 * (panel.target[260 - lags] - fitted.reference.centre[0])
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert attribution.covariates == ("whether values are missing",)


def test_ranges_of_lags_are_fine_near_by_and_hold_whole_seasons_alone():
    edges = lag_edges(5000, 168, np.array([1, 24]))
    assert edges[0] == 0
    assert edges[-1] == 5000
    assert (np.diff(edges[:201]) == 1).all()
    assert len(edges) < 300
    for seasons in range(1, 8):
        for lag in (168 * seasons - 1, 168 * seasons - 24):
            assert edges[np.searchsorted(edges, lag) : np.searchsorted(edges, lag) + 2].tolist() == [lag, lag + 1]
        assert 168 * seasons in edges
    assert lag_edges(3, 1, np.array([1])).tolist() == [0, 1, 2, 3]


class _Turning(Forecasting):
    """A forecast that turns sharply in the first hundredths of the path, as where a network falls in with its input."""

    def at(self, point):
        share = point.x[:, 0, 0]
        return torch.stack([torch.tanh(800 * (share - 0.013)) + share, share**2], dim=1)


def test_the_path_is_cut_where_the_forecast_turns():
    zero, one = (torch.full((1, 1), value, dtype=torch.float64) for value in (0.0, 1.0))
    begin, end = (
        Point(x, torch.zeros(2, 0, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)) for x in (zero, one)
    )
    actual = integrate(_Turning(None, 0, 1.0, np.array([1, 2]), VALUES), begin, end)
    np.testing.assert_allclose(actual.gradients.x[:, 0, 0].numpy(), actual.end - actual.begin, rtol=0.005)
    assert 16 < actual.points < 500


def test_what_cannot_be_attributed_is_refused(panel):
    fitted = fitted_on(
        panel, RnnSettings(hidden_size=3, reference="last"), QUICK.model_copy(update={"regime": "windows"})
    )
    with pytest.raises(ForecastError, match="needs 24 steps before an origin, found 11"):
        attribute(fitted, panel, at(10))
    with pytest.raises(ForecastError, match="no origin"):
        attribute(fitted, panel, at())
    with pytest.raises(ForecastError, match=r"from 1 to 5 steps ahead.*found \[0, 6\]"):
        attribute(fitted, panel, at(100), ahead=(6, 0))


def test_nothing_is_changed_and_later_values_are_never_read(panel):
    fitted = fitted_on(panel, LstmSettings(hidden_size=4, reference="blend"))
    weights = {name: part.clone() for name, part in fitted.network.state_dict().items()}
    attribution = attribute(fitted, panel, at(150), ahead=(5,))
    later = panel.values.copy()
    later[151:300] = 1e3
    again = attribute(fitted, replace(panel, values=later), at(150), ahead=(5,))
    np.testing.assert_array_equal(attribution.by_lag, again.by_lag)
    for name, part in fitted.network.state_dict().items():
        assert torch.equal(part, weights[name])
        assert part.dtype == weights[name].dtype


def made_attribution(**changes):
    """Of a forecast one step ahead and one a day ahead, lags of two days."""
    hours = np.datetime64("2024-01-01", "ns") + np.arange(100) * np.timedelta64(3600, "s")
    by_lag = np.zeros((2, 2, 60))
    by_lag[:, 0, 0], by_lag[:, 0, 23], by_lag[:, 0, 5], by_lag[:, 0, 30], by_lag[:, 0, 47] = 6.0, -2.0, 0.5, 0.25, 0.25
    by_lag[:, 1, 0], by_lag[:, 1, 24] = 3.0, 6.0
    by_covariate = np.array([[[1.0], [-1.0]], [[1.0], [-1.0]]])
    fields = {
        "origins": Origins(np.array([0, 0]), np.array([90, 95])),
        "times": hours[[90, 95]],
        "past_times": hours,
        "ahead": np.array([1, 24]),
        "edges": np.arange(61),
        "by_lag": by_lag,
        "by_reference": by_lag / 2,
        "covariates": ("temp <b>",),
        "by_covariate": by_covariate,
        "forecast": 10 + by_lag.sum(axis=2) + by_covariate.sum(axis=2) + 0.01,
        "baseline": np.full((2, 2), 10.0),
        "with_whole_past": 10.5 + by_lag.sum(axis=2) + by_covariate.sum(axis=2),
        "held": np.array([10.0, 10.0]),
        "read_steps": np.array([64, 64]),
        "points": 16,
        "season_steps": 24,
        "streamed": True,
        "fed_back": False,
    }
    return Attribution(**(fields | changes))


def test_shares_are_of_the_sizes_of_all():
    one, day = shares(made_attribution())
    assert dict(zip(one.groups, one.of_each.tolist(), strict=True)) == pytest.approx(
        {
            "the last value": 0.6,
            "the rest of the last day": 0.05,
            "the value a day before": 0.2,
            "the rest of the day before": 0.025,
            "the same place in earlier days": 0.025,
            "days 3 to 7 back": 0.0,
            "temp <b>": 0.1,
        }
    )
    assert dict(zip(day.groups, day.of_each.tolist(), strict=True)) == pytest.approx(
        {
            "the last value (a day before)": 0.3,
            "the rest of the last day": 0.0,
            "the same place in earlier days": 0.6,
            "the rest of the day before": 0.0,
            "days 3 to 7 back": 0.0,
            "temp <b>": 0.1,
        }
    )


def test_groups_of_a_series_without_a_season_are_distances():
    (one,) = shares(
        made_attribution(
            season_steps=1, ahead=np.array([1]), by_lag=np.ones((2, 1, 60)), by_covariate=np.zeros((2, 1, 1))
        )
    )
    assert one.groups == ("the last value", "the 9 values before it", "10 to 99 steps back", "temp <b>")
    np.testing.assert_allclose(one.of_each, [1 / 60, 9 / 60, 50 / 60, 0])


def test_figures_say_what_is_drawn(tmp_path):
    rests, lags = attribution_figures(made_attribution())
    assert rests.says == (
        "The forecast 1 step ahead rests for 60 % on the last value, for 20 % on the value a day before and for 10 % "
        "on temp <b>. The forecast 24 steps ahead rests for 60 % on the same place in earlier days, for 30 % on the "
        "last value (a day before) and for 10 % on temp <b>."
    )
    assert [panel.title for panel in lags.panels] == [
        f"from 2024-01-04 {hour}:00, {ahead}" for hour in (18, 23) for ahead in ("1 step ahead", "24 steps ahead")
    ]
    rows = lags.panels[1].tables["rows"]
    assert len(rows) == 48  # 98 % of what the forecasts one step ahead rest on
    assert (rows[24]["from"], rows[24]["to"], rows[24]["y"], rows[24]["r"]) == (-24.5, -23.5, 6.0, 3.0)
    assert min(path.stat().st_size for path in write_pictures((rests, lags), tmp_path)) > 10_000
    for figure in (rests, lags):
        assert picture_spec(figure)["columns"] >= 2


def test_how_well_it_adds_up_is_said():
    assert "add up to that difference within 0.17 %" in method_says(made_attribution())
    assert "The network has read 64 steps from an empty state; after the whole past its forecasts" in method_says(
        made_attribution()
    )
    assert "by 0.490 at most" in method_says(made_attribution())
    assert "empty state" not in method_says(made_attribution(streamed=False))
    equal = made_attribution(baseline=made_attribution().forecast - 0.02)
    assert "it is small, and they cancel" in method_says(equal)
    assert "forecasts the next step alone" in method_says(made_attribution(fed_back=True))


def test_what_rests_on_nothing_is_said():
    nothing = made_attribution(by_lag=np.zeros((2, 2, 60)), by_covariate=np.zeros((2, 2, 1)))
    rests, _ = attribution_figures(nothing)
    assert rests.says.startswith("The forecast 1 step ahead rests on nothing that was read.")


def test_seasons_have_the_names_of_their_lengths():
    days = np.arange(30).astype("datetime64[D]")
    months = np.arange(30).astype("datetime64[M]").astype("datetime64[ns]")
    assert [season_name(7, days), season_name(12, months), season_name(5, days)] == ["week", "year", "season"]
    assert [seasons_back(1, "week"), seasons_back(3, "season")] == ["a week before", "3 seasons before"]
