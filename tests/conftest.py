"""One thread of torch and BLAS a test process: results repeat, and processes side by side do not fight for cores.

Runs that tests make are marked with a key of the tests', not the developer's.
"""

import atexit
import os
import shutil
import tempfile

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

if "FORECAST_TESTS_STATE" not in os.environ:  # side by side, the processes of a test run share it
    os.environ["FORECAST_TESTS_STATE"] = os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="forecast-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
