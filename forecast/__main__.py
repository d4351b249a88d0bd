"""`python -m forecast`, and what the console script `forecast` calls."""

from __future__ import annotations

import sys

from forecast.app import main

if __name__ == "__main__":
    sys.exit(main())
