"""Put what the benchmarks measured into docs/benchmarks.md, between the marks that stand there.

    python benchmarks/table.py throughput.json [--quality FILE ...] [--memory FILE] [--startup FILE] [--readme FILE]

The files are what the other benchmarks wrote with `--json`; those of one case of quality are put together, whoever is
in them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import textwrap
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- speed: written by benchmarks/table.py -->", "<!-- end of speed -->"
_COLUMNS = ("forecast", "bare loop", "neuralforecast", "darts", "pytorch-forecasting")


def lines_of_throughput(found: dict[str, Any]) -> list[str]:
    """A table with a line a row and a column for each who took part."""
    rows = found["rows"]
    columns = [who for who in _COLUMNS if any(who in row["figures"] for row in rows)]
    lines = [f"| | {' | '.join(columns)} |", "|" + "---|" * (len(columns) + 1)]
    others = []
    for row in rows:
        if not set(row["figures"]) & set(columns[:1]):
            others.append(row)
            continue
        cells = [_figure(row["figures"].get(who)) for who in columns]
        lines.append(f"| {row['what']} ({_UNITS[row['unit']]}) | {' | '.join(cells)} |")
    for row in others:
        told = ", ".join(f"{who}: {_figure(values)}" for who, values in row["figures"].items())
        lines += ["", *textwrap.wrap(f"{row['what'].capitalize()} ({_UNITS[row['unit']]}): {told}.", 120)]
    versions = ", ".join(f"{key} {value}" for key, value in found.items() if key not in {"rows", "repeats", "machine"})
    made = f"Medians of {found['repeats']} (lowest to highest) on {found['machine']}; {versions}."
    return [*lines, "", *textwrap.wrap(made, 120)]


_UNITS = {"1/s": "a second", "us": "microseconds", "ns": "nanoseconds"}


def lines_of_startup(found: list[dict[str, Any]]) -> list[str]:
    """A table with a line for each command."""
    lines = ["", "| from start to end | seconds | aimed at |", "|---|---|---|"]
    for row in found:
        spread = f"{row['median']:.2f} ({row['shortest']:.2f} to {row['longest']:.2f})"
        lines.append(f"| {row['what']} | {spread} | {row['limit']:g} |")
    return lines


_CASES = {"panel": "400 generated series", "series": "one generated series", "m4": "M4-Hourly"}


def lines_of_quality(files: list[dict[str, Any]]) -> list[str]:
    """A table a case, with a line for each who trained."""
    lines = []
    for case, title in _CASES.items():
        found = [one for file in files if file["case"] == case for one in file["found"]]
        if not found:
            continue
        lines += ["", f"| time to quality, {title} | seconds | test {found[0]['measure']} | |", "|---|---|---|---|"]
        for one in found:
            chosen, gained = one["chosen"], one["gained"]
            more = "ten times as long was not tried" if gained is None else f"ten times as long: {gained:.1%} less"
            told = f"{one['who']} ({one['setting']}) | {chosen['seconds']:.1f} | {chosen['test']:.3f}"
            lines.append(f"| {told} | {more} |")
    return lines


def lines_of_memory(found: dict[str, Any]) -> list[str]:
    """A line on the peak of memory."""
    stages = "; ".join(f"{stage} {megabytes:,.0f}" for stage, megabytes in found["peak_mb"].items())
    size = f"{found['series']:,} series of {found['steps']:,} steps with {found['covariates']} covariates"
    data = f"{found['packed_mb']:,.0f} MB as float32"
    told = f"Peak memory of {size}, {data}, in MB after: {stages}; {found['seconds']:.0f} s."
    return ["", *textwrap.wrap(told, 120)]


def _figure(values: list[float] | None) -> str:
    if not values:
        return "–"
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def main() -> None:
    """Write the part between the marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("throughput", type=Path)
    parser.add_argument("--quality", type=Path, nargs="*", default=[])
    parser.add_argument("--memory", type=Path)
    parser.add_argument("--startup", type=Path)
    parser.add_argument("--readme", type=Path, default=Path("docs/benchmarks.md"))
    options = parser.parse_args()
    lines = lines_of_throughput(json.loads(options.throughput.read_text()))
    lines += lines_of_quality([json.loads(path.read_text()) for path in options.quality])
    if options.memory:
        lines += lines_of_memory(json.loads(options.memory.read_text()))
    if options.startup:
        lines += lines_of_startup(json.loads(options.startup.read_text()))
    before, _, rest = options.readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    options.readme.write_text("\n".join([before + BEGIN, *lines, END]) + after)


if __name__ == "__main__":
    main()
