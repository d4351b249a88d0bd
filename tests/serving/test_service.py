"""What the service answers, whatever it is that its workers compute."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from answering import forecast
from small_service import served, service

from forecast.errors import ForecastError
from forecast.serving.guard import check_token
from forecast.serving.workers import Workers


def ask(client, y, **other):
    return client.post("/forecast", json={"history": [{"y": y}], **other})


def test_a_history_is_forecast_as_json_and_csv(client):
    made = ask(client, 1.0).json()
    assert (made["run"], made["recommended"]) == ("first", "naive")
    assert made["forecast"] == [{"unique_id": "y", "ds": "1", "model": "/runs/first", "y_hat": 1.5}]
    assert ask(client, 1.0, run="second").json()["forecast"][0]["model"] == "/runs/second"
    headers = {"content-type": "text/csv", "accept": "text/csv"}
    made = client.post("/forecast?run=second", content="y\n1\n", headers=headers)
    assert (made.text, made.headers["content-type"]) == ("unique_id,ds\n", "text/csv; charset=utf-8")


@pytest.mark.parametrize(
    ("request_", "status", "line"),
    [
        ({"content": "{"}, 400, "the body should be JSON and is not"),
        ({"content": "[" * 5000}, 400, "the body should be JSON and is not"),
        ({"content": "[1]"}, 422, "the body should be one JSON object, found list"),
        ({"json": {"history": []}}, 422, "`history` should be one row at least, found []"),
        ({"json": {"histoy": [{"y": 1}]}}, 422, "`history` is missing"),
        ({"json": {"history": [{"y": {"a": 1}}]}}, 422, "`history.0.y"),
        (
            {"json": {"history": [{"y": 1}], "run": "third"}},
            404,
            "there is no run 'third': ask for one of",
        ),
        ({"json": {"history": [{"y": "mistake"}]}}, 422, "the history is wrong: send another"),
        ({"json": {"history": [{"y": "x" * 20_000}]}}, 413, "a request may have 0.01 MB (`serve.max_mb`)"),
        ({"content": iter([b"x" * 9000] * 2)}, 413, "a request may have 0.01 MB"),
        ({"json": {"history": [{"y": "sleep"}]}}, 422, "this took longer than `serve.time_limit_s=1`"),
    ],
)
def test_a_mistake_is_one_line(client, request_, status, line):
    response = client.post("/forecast", **request_)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert line in response.json()["error"]
    assert "\n" not in response.json()["error"]
    assert ask(client, 2.0).status_code == 200


@pytest.mark.parametrize("ending", ["crash", "fault"])
def test_a_crash_is_a_500_and_the_service_lives(client, ending):
    before = ask(client, 1.0).json()["notes"][1]
    response = ask(client, ending)
    assert response.status_code == 500
    assert "fault of the service" in response.json()["error"]
    after = ask(client, 1.0)
    assert after.status_code == 200
    assert (after.json()["notes"][1] == before) == (ending == "fault")  # a worker that died has been replaced


def test_what_waits_is_bounded(client):
    with ThreadPoolExecutor(5) as threads:
        said = list(threads.map(lambda _: ask(client, "wait"), range(5)))
    statuses = [one.status_code for one in said]
    assert statuses.count(200) >= 2
    assert set(statuses) == {200, 429}
    assert all(one.headers["retry-after"] == "1" for one in said if one.status_code == 429)
    assert ask(client, 1.0).status_code == 200


def test_rows_of_a_stream_are_taken_in_turn_and_kept_apart(client):
    def feed(number):
        url = f"/stream/of {number}"
        return [client.post(url, json={"y": float(number)}).json()["forecast"]["y_hat"][0] for _ in range(20)]

    with ThreadPoolExecutor(3) as threads:
        sums = list(threads.map(feed, range(1, 4)))
    assert sums == [[float(n * i) for i in range(1, 21)] for n in range(1, 4)]
    assert client.delete("/stream/of 1").status_code == 204
    assert client.delete("/stream/of 1").status_code == 404
    assert client.post("/stream/of 1", json={"y": 5.0}).json()["rows"] == 1


def test_the_stream_that_was_idle_the_longest_makes_room(client):
    for name in ("a", "b", "c"):
        client.post(f"/stream/{name}", json={"y": 1.0})
    client.post("/stream/a", json={"y": 1.0})
    assert client.post("/stream/d", json={"y": 1.0}).json()["dropped"] == "b"
    assert client.post("/stream/a", json={"y": 1.0}).json()["rows"] == 3
    assert client.get("/health").json() == {"status": "ok", "runs": 2, "streams": 3}


def test_streams_outlast_the_service_and_being_dropped(tmp_path):
    settings = {"streams": str(tmp_path / "kept"), "max_streams": 1}
    with served(service(**settings)) as client:
        for y in (1.0, 2.0):
            client.post("/stream/a", json={"y": y})
        assert client.post("/stream/b", json={"y": 5.0}).json()["dropped"] == "a"
        assert client.post("/stream/a", json={"y": 3.0}).json()["forecast"]["y_hat"] == [6.0]
    with served(service(**settings)) as client:
        assert client.post("/stream/b", json={"y": 1.0}).json()["forecast"]["y_hat"] == [6.0]
        assert client.delete("/stream/a").status_code == 204
        assert client.post("/stream/a", json={"y": 1.0}).json()["forecast"]["y_hat"] == [1.0]


def test_a_crash_costs_a_stream_its_last_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("forecast.serving.streams.SAVE_EVERY_S", 0.01)
    with served(service(streams=str(tmp_path / "kept"))) as client:
        for y in (1.0, 2.0):
            client.post("/stream/a", json={"y": y})
        for _ in range(1000):
            states = [path.read_text() for path in (tmp_path / "kept").iterdir()]
            if states == ["[1.0, 2.0]"]:
                break
            time.sleep(0.01)
        assert states == ["[1.0, 2.0]"]  # the service has not ended
        (tmp_path / "kept").rename(tmp_path / "gone")
        client.post("/stream/a", json={"y": 3.0})
        time.sleep(0.05)
        assert client.post("/stream/a", json={"y": 4.0}).json()["forecast"]["y_hat"] == [10.0]
        (tmp_path / "gone").rename(tmp_path / "kept")


def test_a_stream_is_of_one_run_and_outlives_a_fault(client):
    client.post("/stream/one", json={"y": 1.0})
    response = client.post("/stream/one?run=second", json={"y": 1.0})
    assert response.status_code == 422
    assert "is of the run 'first', and 'second' was asked for" in response.json()["error"]
    assert client.post("/stream/one", json={"y": "fault"}).status_code == 500
    assert client.post("/stream/one", json={"y": 2.0}).json()["forecast"]["y_hat"] == [3.0]
    assert client.post("/stream/one", json={}).json()["error"].startswith("`y` is missing")


def test_runs_reports_and_metrics(client):
    assert [run["id"] for run in client.get("/runs").json()] == ["first", "second"]
    report = client.get("/runs/second/report")
    assert report.text == "<h1>second</h1>"
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert client.get("/runs/third/report").status_code == 404
    assert client.get("/nowhere").json() == {"error": "Not Found"}
    ask(client, 1.0)
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    answered = 'forecast_requests_total{method="POST",route="/forecast",status="200"}'
    assert int(lines[answered]) >= 1
    assert int(lines["forecast_runs"]) == 2
    counts = [
        int(value) for name, value in lines.items() if name.startswith('forecast_request_seconds_bucket{route="/f')
    ]
    assert counts == sorted(counts)
    total = sum(int(value) for name, value in lines.items() if 'requests_total{method="POST",route="/forecast"' in name)
    assert counts[-1] == total


def test_openapi_shows_every_route_with_examples(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/forecast", "/stream/{id}", "/runs", "/runs/{id}/report", "/health", "/metrics", "/jobs"} <= set(paths)
    body = paths["/forecast"]["post"]["requestBody"]["content"]
    example = body["application/json"]["schema"]["examples"][0]
    assert client.post("/forecast", json=example).status_code == 200
    row = paths["/stream/{id}"]["post"]["requestBody"]["content"]["application/json"]["schema"]["examples"][0]
    assert client.post("/stream/example", json=row).status_code == 200


def test_pages_of_others_are_refused(client):
    """A page of another site that is open in the browser, or a name of its own for this machine's address."""
    rebound = client.get("/runs", headers={"host": "evil.example:8000"})
    assert (rebound.status_code, "evil.example" in rebound.json()["error"]) == (403, True)
    foreign = client.post("/stream/x", json={"y": 1.0}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    own = {"origin": f"http://{client.base_url.netloc.decode()}"}
    assert client.post("/stream/x", json={"y": 1.0}, headers=own).status_code == 200


def test_another_address_needs_a_token():
    for host in ("0.0.0.0", "::", "192.168.1.5", "box.example"):
        with pytest.raises(ForecastError, match=r"set `serve.token=...`"):
            check_token(host, None)
        check_token(host, "long enough")
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        check_token(host, None)
    with pytest.raises(ForecastError, match="at least 8 characters"):
        check_token("127.0.0.1", "short")


def test_nothing_is_answered_without_the_token():
    token = "a secret; with=signs"
    with served(service(token)) as client:
        assert client.get("/health").status_code == 200
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": token},
            {"cookie": "forecast_token=x"},
        ):
            said = client.get("/runs", headers=headers)
            assert (said.status_code, said.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/runs", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert client.get("/", params={"token": "wrong"}).status_code == 401
        welcome = client.get("/", params={"token": token})
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
        assert "HttpOnly; SameSite=Strict" in welcome.headers["set-cookie"]
        assert client.get("/runs").status_code == 200  # by the cookie


def test_who_went_away_leaves_a_worker_that_answers(client):
    with pytest.raises(httpx.ReadTimeout):
        client.post("/forecast", json={"history": [{"y": "wait"}]}, timeout=0.1)
    assert ask(client, 1.0).status_code == 200


def test_no_worker_outlives_its_service():
    before = threading.active_count()
    workers = Workers({"forecast": forecast}, count=2, time_limit_s=5, max_waiting=0)
    processes = [worker._process for worker in workers._all]
    assert all(process.is_alive() for process in processes)
    workers.close()
    assert not any(process.is_alive() for process in processes)
    assert threading.active_count() == before
