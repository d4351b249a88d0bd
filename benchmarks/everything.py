"""All benchmarks one after the other, their figures as JSON in a folder, and the tables of the docs made of them.

    python benchmarks/everything.py FOLDER [--m4 TRAIN TEST] [--only PART ...] [--readme docs/benchmarks.md]

Most of an hour alone, a night where other libraries are installed (extra `[bench]`). `--m4` takes the competition's two
files of hourly series. With `--only` some parts are measured again; of the others what stands in the folder counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PARTS = ("throughput", "quality", "memory", "startup")


def run(script: str, *arguments: str | Path, check: bool = True) -> None:
    """Run one of them to its end, and say which."""
    print(f"--- {script}", *arguments, flush=True)
    subprocess.run([sys.executable, HERE / script, *map(str, arguments)], check=check)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--m4", type=Path, nargs=2, metavar=("TRAIN", "TEST"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--readme", type=Path, default=Path("docs/benchmarks.md"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    throughput, memory, startup = (options.folder / f"{name}.json" for name in ("throughput", "memory", "startup"))
    quality = {case: options.folder / f"{case}.json" for case in ("panel", "series", "m4")}
    if "throughput" in options.only:
        run("throughput.py", "--growth", "--json", throughput)
    if "quality" in options.only:
        for case, path in quality.items():
            files = ("--train", options.m4[0], "--test", options.m4[1]) if case == "m4" and options.m4 else ()
            if files or case != "m4":
                run("quality.py", "--case", case, "--settle", *files, "--json", path)
    if "memory" in options.only:
        run("memory.py", "--json", memory)
    if "startup" in options.only:
        run("startup.py", "--json", startup, check=False)  # it fails where an aim is missed, which is a result as well
    found = ("--quality", *(path for path in quality.values() if path.exists()))
    run("table.py", throughput, *found, "--memory", memory, "--startup", startup, "--readme", options.readme)


if __name__ == "__main__":
    main()
