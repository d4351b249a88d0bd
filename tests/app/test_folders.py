from concurrent.futures import ThreadPoolExecutor

import pytest

from forecast.app.folders import claim_folder
from forecast.errors import ForecastError


def test_jobs_of_one_second_get_folders_of_their_own(tmp_path):
    wanted = tmp_path / "outputs" / "2026-11-20" / "12-00-00"
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: claim_folder(wanted, chosen=False), range(20)))
    assert {claim.folder.name for claim in claims} == {"12-00-00", *(f"12-00-00-{i}" for i in range(2, 21))}


def test_release_takes_away_what_was_made_and_is_empty(tmp_path):
    (tmp_path / "there").mkdir()
    claim_folder(tmp_path / "there" / "a" / "b", chosen=False).release()
    assert list((tmp_path / "there").iterdir()) == []
    claim_folder(tmp_path / "there", chosen=True).release()
    assert (tmp_path / "there").is_dir()


def test_release_keeps_what_holds_something(tmp_path):
    claim = claim_folder(tmp_path / "a" / "b", chosen=False)
    (tmp_path / "a" / "another").mkdir()
    claim.release()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["another"]


def test_a_link_to_nowhere_is_no_folder_and_no_endless_loop(tmp_path):
    (tmp_path / "outputs").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ForecastError, match=r"outputs' is a link to a folder that is not there\): choose another"):
        claim_folder(tmp_path / "outputs" / "day" / "time", chosen=False)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    for as_said in (True, False):
        with pytest.raises(ForecastError, match="cannot make the output folder"):
            claim_folder(tmp_path / "file" / "a" / "b", chosen=as_said)
    with pytest.raises(ForecastError, match="cannot make the output folder"):
        claim_folder(tmp_path / "file", chosen=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
