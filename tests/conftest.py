"""One thread of torch and BLAS a test process: results repeat, and processes side by side do not fight for cores."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
