"""The read-out in closed form against scikit-learn's ridge regression and plain least squares on collected states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.panels import noisy_sine, panel_of
from oracles.saved import saved_parts
from sklearn.linear_model import Ridge as PlainRidge

from forecast.errors import ForecastError
from forecast.forecasters.ensemble import FittedEnsemble, ensemble
from forecast.forecasters.loading import load_network
from forecast.forecasters.recurrent import Recurrent
from forecast.network.settings import EsnSettings
from forecast.questions.kinds import Problem
from forecast.questions.split import Origins
from forecast.reference.encoding import fit_encoding
from forecast.reference.fit import fit_reference
from forecast.reference.scaling import fit_scale
from forecast.series.calendar import Calendar
from forecast.series.date_features import with_features
from forecast.training import ridge as moments_module
from forecast.training.data import network_data
from forecast.training.job import TrainingJob, fresh_network
from forecast.training.readout import fit_readout, gather
from forecast.training.ridge import Ridge, SufficientStatistics
from forecast.training.settings import TrainingSettings

HORIZON = 4
PROBLEM = Problem(horizon=HORIZON, context_steps=12, season_steps=20)
SETTINGS = EsnSettings(hidden_size=16, sparsity=0.5)
TRAINING = TrainingSettings(accelerator="cpu", threads=1)
STEPS = np.array([260, 230])


def a_panel(hole=slice(0, 0)):
    seen = [np.ones(300, dtype=bool), np.ones(270, dtype=bool)]
    seen[0][hole] = False
    return panel_of(noisy_sine(300), 5 + noisy_sine(270, seed=1), observed=seen)


def a_job(past=None, settings=SETTINGS, train_steps=STEPS, **options):
    past = past or a_panel(options.pop("hole", slice(0, 0)))
    reference = fit_reference("last", past, train_steps, PROBLEM)
    data = network_data(past, reference, fit_scale(past, train_steps, 20), fit_encoding(past, train_steps))
    return TrainingJob(data, train_steps, settings, TRAINING, PROBLEM.context_steps, seed=3, **options)


def collected(network, job):
    """Features, targets and whether they exist at all training rows: each series in one go, from its first step."""
    parts = []
    for i, (_, rows) in enumerate(job.data.past.series()):
        ours = np.arange(rows.start, rows.start + job.train_steps[i])
        x = torch.from_numpy(job.data.inputs.at(ours))[None]
        features, _ = network.features(x, torch.full(x.shape[:2], i), network.initial_state(1))
        parts.append((features[0].numpy(), *job.data.differences(ours, job.data.past.offsets[:-1] + job.train_steps)))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("hole", [slice(0, 0), slice(40, 47), slice(20, 220)], ids=["whole", "hole", "large hole"])
def test_the_read_out_is_scikit_learn_s_ridge_on_the_collected_states(hole):
    """With a target or without, horizon step by horizon step; the penalty is one of the mean squared error."""
    job = a_job(hole=hole, penalty=0.01)
    trained = fit_readout(job)
    features, target, exists = collected(trained.network, job)
    unit, weights = trained.network.head.unit.double().numpy(), trained.network.decoder.out
    squares = np.zeros(HORIZON)
    for h, ours in enumerate(exists.T):
        y = target[ours, h] / unit[h]
        plain = PlainRidge(alpha=0.01 * ours.sum(), solver="svd").fit(features[ours].astype(np.float64), y)
        np.testing.assert_allclose(weights.weight[h].detach(), plain.coef_, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(weights.bias[h].detach(), plain.intercept_, rtol=0, atol=1e-6)
        squares[h] = (((plain.predict(features[ours].astype(np.float64)) - y) * unit[h]) ** 2).sum()
    assert trained.history[0].train_loss == pytest.approx(squares.sum() / exists.sum(), rel=1e-5)


def some_forks(missing, known=0, forks=300, features=14):
    generator = torch.Generator().manual_seed(7)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    z = normal(forks, features) * torch.linspace(0.1, 3, features) + 1
    exists = torch.rand(forks, HORIZON, generator=generator) >= missing
    for h in range(HORIZON):
        exists[forks - 1 - h :, h] = False
    return z, normal(forks, HORIZON) + z @ normal(features, HORIZON), exists, normal(forks, HORIZON, known) + 0.5


def summed(z, y, exists, known, *, forks_at_once=1000):
    moments = SufficientStatistics(z.shape[1], HORIZON, known.shape[2])
    for first in range(0, len(z), forks_at_once):
        moments.add(*(part[first : first + forks_at_once] for part in (z, y, exists, known)))
    return moments


@pytest.mark.parametrize("missing", [0.0, 0.01, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("penalty", [1e-4, 1.0])
def test_few_and_many_missing_targets_are_solved_exactly(missing, penalty):
    z, y, exists, known = some_forks(missing)
    moments = summed(z, y, exists, known, forks_at_once=41)
    assert (moments.gram_by_step is None) == (missing == 0)
    actual = Ridge(moments).solve(penalty)
    for h, ours in enumerate(exists.T):
        plain = PlainRidge(alpha=penalty * max(int(ours.sum()), 1), solver="svd").fit(z[ours], y[ours, h])
        np.testing.assert_allclose(actual.weights[h], plain.coef_, rtol=1e-7, atol=1e-9)
        assert float(actual.bias[h]) == pytest.approx(plain.intercept_, abs=1e-7)
        left = ((plain.predict(z[ours]) - y[ours, h].numpy()) ** 2).sum()
        assert float(actual.squares[h]) == pytest.approx(left, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_what_is_known_ahead_has_one_weight_at_all_steps_beside_the_features(missing):
    """Least squares over all horizon steps at once, the penalties as rows of their own."""
    z, y, exists, known = some_forks(missing, known=3)
    penalty, size = 0.05, z.shape[1]
    width, rows, sides = HORIZON * (size + 1) + 3, [], []
    for h, ours in enumerate(exists.T):
        count = int(ours.sum())
        design, shrunk = np.zeros((count, width)), np.zeros((size, width))
        design[:, h * size : (h + 1) * size], design[:, HORIZON * size + h] = z[ours], 1.0
        design[:, -3:] = known[ours, h]
        shrunk[:, h * size : (h + 1) * size] = np.sqrt(penalty * count) * np.eye(size)
        rows += [design, shrunk]
        sides += [y[ours, h], np.zeros(size)]
    rows.append(np.eye(width)[-3:] * np.sqrt(penalty * int(exists.sum())))
    plain = np.linalg.lstsq(np.concatenate(rows), np.concatenate([*sides, np.zeros(3)]), rcond=None)[0]
    actual = Ridge(summed(z, y, exists, known, forks_at_once=77)).solve(penalty)
    np.testing.assert_allclose(actual.weights.flatten(), plain[: HORIZON * size], rtol=0, atol=1e-9)
    np.testing.assert_allclose(actual.bias, plain[HORIZON * size : -3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(actual.ahead, plain[-3:], rtol=0, atol=1e-9)
    whole = sum(float(actual.squares[h]) for h in range(HORIZON))
    left = sum(
        float(((part[: len(side)] @ plain - np.asarray(side)) ** 2).sum())
        for part, side in zip(rows[:-1:2], sides[::2], strict=True)
    )
    assert whole == pytest.approx(left, rel=1e-9)


@pytest.mark.parametrize("hole", [slice(0, 0), slice(20, 220)], ids=["whole", "large hole"])
def test_sums_of_many_pieces_are_those_of_one(hole):
    """Piece by piece nothing is kept but the sums, however long the data."""
    job = a_job(hole=hole)
    ends = job.data.past.offsets[:-1] + job.train_steps
    torch.manual_seed(0)
    network = fresh_network(job)
    with torch.no_grad():
        one, many = (gather(network, job.data, ends, numbers) for numbers in (10**6, 700))
    for whole, parts in zip(Ridge(one).solve(0.01), Ridge(many).solve(0.01), strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)  # states are of single precision
    torch.testing.assert_close(many.gram.diagonal().sum(), one.gram.diagonal().sum(), rtol=1e-6, atol=0)
    assert {name: part.shape for name, part in vars(many).items() if isinstance(part, torch.Tensor)} == {
        name: part.shape for name, part in vars(one).items() if isinstance(part, torch.Tensor)
    }


def test_matrices_that_would_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(moments_module, "_MOST_BYTES", 1000)
    with pytest.raises(ForecastError, match=r"14 features and 4 horizon steps needs .*model\.hidden_size"):
        summed(*some_forks(0.3))


def test_the_penalty_that_is_kept_is_the_best_on_validation_and_fits_again_as_it_is():
    job = a_job()
    trained = fit_readout(job)
    losses = {trial.penalty: trial.validation_loss for trial in trained.history}
    assert tuple(losses) == SETTINGS.penalties
    assert trained.penalty == min(losses, key=losses.__getitem__)
    assert len(set(losses.values())) == len(losses)
    for penalty, loss in losses.items():
        alone = fit_readout(replace(job, network=SETTINGS.model_copy(update={"penalties": (penalty,)})))
        assert alone.history[0].validation_loss == pytest.approx(loss, rel=1e-5)
    again = fit_readout(replace(job, penalty=trained.penalty))
    for name, part in trained.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], part)


def test_where_nothing_validates_it_takes_the_middle_one():
    past = a_panel()
    trained = fit_readout(a_job(past, train_steps=past.lengths))
    assert (trained.penalty, len(trained.history)) == (1e-3, 1)


def fitted_on(panel, settings=SETTINGS, **options):
    return Recurrent(settings, TRAINING, **options).fit(panel, STEPS, PROBLEM)


def test_saved_and_opened_again_it_forecasts_the_same_and_knows_its_penalty():
    panel = a_panel()
    fitted = fitted_on(panel)
    opened = load_network(fitted.forecaster, PROBLEM, panel.ids, **saved_parts(fitted, panel))
    origins = Origins(np.array([0, 0, 1]), np.array([50, 299, 269]))
    np.testing.assert_array_equal(opened.forecast(panel, origins).y_hat, fitted.forecast(panel, origins).y_hat)
    assert opened.chosen().penalty == fitted.chosen().penalty == fitted.penalty


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_row_by_row_it_forecasts_as_from_the_whole_history(strategy):
    panel = a_panel()
    fitted = fitted_on(panel, EsnSettings(hidden_size=16, strategy=strategy, fork_ensemble=2))
    live = fitted.start(panel.cut(STEPS))
    for step in range(20):
        forecast = live.update(panel.target[panel.offsets[:-1] + STEPS + step])
    expected = fitted.forecast(panel.cut(STEPS + 20), Origins(np.arange(2), STEPS + 19)).y_hat
    np.testing.assert_allclose(forecast.y_hat, expected, rtol=0, atol=1e-5)


def test_the_seed_of_the_reservoir_is_the_job_s_unless_it_has_its_own():
    panel, own = a_panel(), SETTINGS.model_copy(update={"reservoir_seed": 5})

    def weights(settings, seed):
        return fitted_on(panel, settings, seed=seed).network.backbone.weight

    assert not torch.equal(weights(SETTINGS, 0), weights(SETTINGS, 1))
    assert torch.equal(weights(own, 0), weights(own, 1))
    assert torch.equal(weights(own, 0), weights(SETTINGS, 5))


def test_an_ensemble_has_as_many_reservoirs_and_no_seed_that_they_share():
    fitted = ensemble(Recurrent(SETTINGS, TRAINING), 3).fit(a_panel(), STEPS, PROBLEM)
    assert isinstance(fitted, FittedEnsemble)
    assert "3 networks that differ in their seed, their read-outs fitted with the penalties" in fitted.notes[1]
    first, *others = (member.network.backbone.weight for member in fitted.members)
    assert not any(torch.equal(first, other) for other in others)
    with pytest.raises(ForecastError, match=r"ensemble=3.*model\.reservoir_seed=5"):
        ensemble(Recurrent(SETTINGS.model_copy(update={"reservoir_seed": 5}), TRAINING), 3)


def test_windows_are_refused_with_the_reason():
    windows = TRAINING.model_copy(update={"regime": "windows"})
    with pytest.raises(ForecastError, match=r"regime=windows.*zero state.*set `training\.regime=stream`"):
        Recurrent(SETTINGS, windows).fit(a_panel(), STEPS, PROBLEM)


def test_paths_are_refused_with_the_reason():
    fitted = fitted_on(a_panel())
    with pytest.raises(ForecastError, match=r"model=esn.*points alone"):
        fitted.sample_trajectories(a_panel(), Origins(np.array([0]), np.array([299])), 3)


def test_what_is_known_ahead_is_used():
    """On Saturdays sales are higher by 3, on a noisy level: without the calendar the steps before cannot know."""
    rng = np.random.default_rng(0)
    times = np.arange("2021-01-01", "2022-06-01", dtype="datetime64[D]").astype("datetime64[ns]")
    saturday = (np.arange(len(times)) + 4) % 7 == 5
    y = 3.0 * saturday + 0.1 * rng.normal(size=len(times))
    panel = replace(panel_of(y), times=times, calendar=Calendar(freq="D"))
    panel = with_features(panel, ("weekday",), HORIZON)
    steps = np.array([400])
    problem = Problem(horizon=HORIZON, context_steps=12, season_steps=1)
    settings = EsnSettings(hidden_size=10, reference="mean")
    fitted = Recurrent(settings, TRAINING).fit(panel, steps, problem)
    origins = Origins(np.zeros(80, dtype=np.int64), np.arange(420, 500))
    ahead = origins.rows(panel)[:, None] + np.arange(1, HORIZON + 1)
    missed = y[ahead] - fitted.forecast(panel, origins).y_hat
    assert np.sqrt(np.mean(missed**2)) < 0.2
    assert bool((fitted.network.decoder.reader.weights.bias != 0).all())
    assert bool((fitted.network.decoder.reader.weights.weight == 0).all())


def test_a_clean_sine_is_forecast_to_a_hundredth_of_its_amplitude():
    y = noisy_sine(1200, noise=0.0)
    panel = panel_of(y)
    fitted = Recurrent(EsnSettings(reference="last"), TRAINING).fit(panel, np.array([800]), PROBLEM)
    origins = Origins(np.zeros(190, dtype=np.int64), np.arange(1000, 1190))
    ahead = origins.rows(panel)[:, None] + np.arange(1, HORIZON + 1)
    assert np.sqrt(np.mean((y[ahead] - fitted.forecast(panel, origins).y_hat) ** 2)) < 0.01
