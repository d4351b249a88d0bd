from __future__ import annotations

import shutil

import pytest
from small_jobs import small_job

from forecast.tasks.terminal import silent
from forecast.tasks.train import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """One training of the smallest sort; its folder is not to be changed."""
    return train(small_job(), tmp_path_factory.mktemp("outputs") / "day" / "time", silent())


@pytest.fixture
def run_folder(trained, tmp_path):
    """A copy of its folder, to do anything with."""
    return shutil.copytree(trained.folder, tmp_path / "run")
