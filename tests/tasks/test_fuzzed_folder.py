"""Run folders with something changed at random: in order, or refused in one line (`fuzzing.py` has done 10,000)."""

import pytest
from fuzzing import Fuzzer

from forecast.reading.sources import load_source


@pytest.fixture(scope="module")
def fuzzer(trained, tmp_path_factory):
    return Fuzzer(trained.folder, tmp_path_factory.mktemp("fuzzed"), load_source(trained.prepared.job.data))


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_a_changed_run_opens_or_is_refused_in_a_line(fuzzer, first):
    faults = {seed: fault for seed in range(first, first + 50) if (fault := fuzzer.fault(seed, much=0.1))}
    assert faults == {}
