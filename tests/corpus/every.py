"""All cases."""

from __future__ import annotations

from corpus.doubtful import DOUBTFUL
from corpus.exports import EXPORTS
from corpus.layouts import LAYOUTS
from corpus.named_periods import NAMED_PERIODS
from corpus.numerals import NUMERALS
from corpus.offices import OFFICES
from corpus.parts import PARTS
from corpus.periods import PERIODS
from corpus.pivots import PIVOTS
from corpus.refused import REFUSED
from corpus.times import TIMES
from corpus.wide import WIDE

CASES = (
    *(*DOUBTFUL, *LAYOUTS, *TIMES, *PERIODS, *NAMED_PERIODS, *PARTS, *PIVOTS, *NUMERALS, *REFUSED, *WIDE),
    *EXPORTS,
    *OFFICES,
)
