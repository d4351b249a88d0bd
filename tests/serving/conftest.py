from __future__ import annotations

import pytest
from small_service import served, service


@pytest.fixture(scope="package")
def client():
    settings = {"time_limit_s": 1.0, "max_waiting": 1, "max_streams": 3, "max_mb": 0.01}
    with served(service(**settings)) as ours:
        yield ours
