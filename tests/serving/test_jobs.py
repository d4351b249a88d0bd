"""Jobs of the page: queued one at a time, ended, kept over a restart, cleaned; and what the page asks of them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from small_service import served, service

from forecast.errors import ForecastError
from forecast.serving.jobs import Jobs, _plain_name

WORKING = Path(__file__).with_name("working.py")


def kept_in(folder, days=1.0, size=10**9):
    return Jobs(folder, lambda job: [sys.executable, str(WORKING), str(job)], days, size)


def put(jobs, file, horizon=1):
    job = jobs.upload(file, b"ds,y\n")
    jobs.start(job, {"horizon": horizon}, {"path": str(jobs.folder_of(job.id) / job.file), "horizon": horizon})
    return job.id


async def until(jobs, name, *statuses):
    while jobs.get(name).status not in statuses:
        await asyncio.sleep(0.01)
    return jobs.get(name)


@asynccontextmanager
async def worked(jobs):
    working = asyncio.create_task(jobs.work())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        jobs.close()


def test_one_runs_at_a_time_in_the_order_of_asking(tmp_path):
    async def go():
        jobs = kept_in(tmp_path)
        names = [put(jobs, f"{letter}.csv") for letter in "abc"]
        assert jobs.progress(jobs.get(names[2]))["said"] == "waiting for 2 before it"
        async with worked(jobs):
            for name in names:
                await until(jobs, name, "done")

    asyncio.run(go())
    order = (tmp_path / "order.txt").read_text().splitlines()
    assert order == [f"{letter}.csv {what}" for letter in "abc" for what in ("begins", "ends")]


def test_how_a_job_fails(tmp_path):
    async def go():
        jobs = kept_in(tmp_path)
        mistaken, broken, fine = put(jobs, "a.csv", 2), put(jobs, "b.csv", 3), put(jobs, "c.csv")
        async with worked(jobs):
            assert (await until(jobs, mistaken, "failed")).message == "the file is wrong: mend it"
            assert "fault of the service" in (await until(jobs, broken, "failed")).message
            await until(jobs, fine, "done")
            assert "ZeroDivisionError" in (jobs.folder_of(broken) / "log.txt").read_text()

    asyncio.run(go())


def test_what_waits_or_runs_can_be_cancelled_and_deleted(tmp_path):
    async def go():
        jobs = kept_in(tmp_path)
        running, waiting, fine = put(jobs, "a.csv", 4), put(jobs, "b.csv"), put(jobs, "c.csv")
        async with worked(jobs):
            await until(jobs, running, "running")
            while jobs.progress(jobs.get(running))["share"] != 0.5:
                await asyncio.sleep(0.01)
            process = jobs._process
            await jobs.cancel(jobs.get(waiting))
            await jobs.cancel(jobs.get(running))
            assert process.returncode is not None
            await until(jobs, fine, "done")
            assert [jobs.get(name).status for name in (running, waiting)] == ["cancelled", "cancelled"]
            await jobs.cancel(jobs.get(fine))
            assert jobs.get(fine).status == "done"
            await jobs.delete(jobs.get(fine))
            assert jobs.get(fine) is None
            assert not jobs.folder_of(fine).exists()

    asyncio.run(go())


def test_jobs_outlast_a_restart(tmp_path):
    async def before():
        jobs = kept_in(tmp_path)
        names = put(jobs, "a.csv", 4), put(jobs, "b.csv")
        async with worked(jobs):
            await until(jobs, names[0], "running")
            while jobs._process is None:
                await asyncio.sleep(0.01)
            process = jobs._process
        assert process.returncode is not None  # the process has ended with the service
        return names

    async def after(names):
        jobs = kept_in(tmp_path)
        async with worked(jobs):
            for name in names:
                assert (await until(jobs, name, "done")).asked["horizon"] in (1, 4)

    names = asyncio.run(before())
    (tmp_path / "go").touch()
    asyncio.run(after(names))


def test_old_and_large_jobs_are_cleaned_away(tmp_path):
    jobs = kept_in(tmp_path, size=3000)
    old, large, kept = (jobs.upload(f"{letter}.csv", b"x" * 1000) for letter in "abc")
    waiting = put(jobs, "d.csv")
    (tmp_path / ("0" * 32)).mkdir()
    (tmp_path / "of others").mkdir()
    jobs._base.execute("update jobs set created = ? where id = ?", (time.time() - 2 * 86400, old.id))
    (jobs.folder_of(large.id) / "more").write_bytes(b"x" * 2000)
    jobs.clean()
    assert {job.id for job in jobs.all()} == {kept.id, waiting}
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {kept.id, waiting, "of others"}
    jobs.close()


@pytest.mark.parametrize(
    "name", ["../../x.csv", "a/b\\c.csv", "..", "", "\x00\n", "run", "job.json", "n" * 300 + ".csv", "*"]
)
def test_names_of_uploads_stay_names(name, tmp_path):
    kept = _plain_name(name)
    assert kept not in {"", ".", "..", "run", "job.json"}
    assert Path(kept).name == kept
    assert len(kept) <= 120
    (tmp_path / kept).write_text("")
    assert os.listdir(tmp_path) == [kept]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ForecastError, match=r"set `serve.folder=...`"):
        kept_in(tmp_path / "file")


def test_the_page_asks_for_a_job_from_upload_to_report(tmp_path):
    with served(service(folder=str(tmp_path), max_mb=0.01)) as client:
        response = client.post("/jobs", params={"file": "a/sales (1).csv"}, content=b"42")
        assert (response.status_code, response.json()["status"], response.json()["file"]) == (
            201,
            "uploaded",
            "sales (1).csv",
        )
        job = f"/jobs/{response.json()['id']}"
        assert client.post(f"{job}/look", json={}).json()["found"] == [["rows", "42"]]
        assert client.get(f"{job}/report").status_code == 404
        assert client.post(f"{job}/start", json={"horizon": 1}).json()["status"] == "waiting"
        sent = client.get(f"{job}/events").text.strip().split("\n\n")
        assert '"status": "done"' in sent[-1]
        assert all(event.startswith("data: {") for event in sent)
        done = client.get(job).json()
        assert (done["sentence"], done["downloads"]) == ("use naive", ["forecast.csv"])
        assert "sandbox" in client.get(f"{job}/report").headers["content-security-policy"]
        table = client.get(f"{job}/files/forecast.csv")
        assert "sales%20%281%29%20forecast.csv" in table.headers["content-disposition"]
        assert client.get(f"{job}/files/run.json").status_code == 404
        assert [one["id"] for one in client.get("/jobs").json()] == [done["id"]]
        assert client.delete(job).status_code == 204
        assert client.get(job).json()["error"].startswith("there is no such job")
        assert list(tmp_path.glob("*/*")) == []


def test_what_cannot_be_forecast_is_not_queued(tmp_path):
    with served(service(folder=str(tmp_path), max_mb=0.01)) as client:
        bad = client.post("/jobs", params={"file": "a.csv"}, content=b"bad: mend it").json()
        response = client.post(f"/jobs/{bad['id']}/start", json={})
        assert (response.status_code, response.json()["error"]) == (422, "bad: mend it")
        assert client.get(f"/jobs/{bad['id']}").json()["status"] == "uploaded"
        slow = client.post("/jobs", params={"file": "a.csv"}, content=b"1").json()
        assert client.post(f"/jobs/{slow['id']}/start", json={"horizon": 4}).status_code == 200
        assert client.post(f"/jobs/{slow['id']}/start", json={"horizon": 4}).status_code == 409
        assert client.post(f"/jobs/{slow['id']}/cancel").json()["status"] == "cancelled"
        assert client.post("/jobs", params={"file": "a.csv"}, content=b"").status_code == 422
        assert client.post("/jobs", params={"file": "a.csv"}, content=b"x" * 20_000).status_code == 413
        assert client.post(f"/jobs/{'0' * 32}/start", json={}).status_code == 404
        assert client.get("/jobs/../../etc").status_code == 404


def test_the_page_and_its_parts_come_from_the_package(client):
    page = client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for part in ("page.js", "page.css", "theme.css"):
        assert f"/page/{part}" in page.text
        assert client.get(f"/page/{part}").status_code == 200
    assert "--network:#0072b2" in client.get("/page/theme.css").text
    assert client.get("/page/../page.py").status_code == 404
    assert client.get("/page/forms.py").status_code == 404
