"""All hand-made files."""

from __future__ import annotations

from corpus.layouts import LAYOUTS
from corpus.numerals import NUMERALS
from corpus.refused import REFUSED
from corpus.times import TIMES
from corpus.wide import WIDE

CASES = (*LAYOUTS, *TIMES, *NUMERALS, *REFUSED, *WIDE)
