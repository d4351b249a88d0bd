"""All benchmarks one after the other, their figures as JSON in a folder, and the README's table made of them.

    python benchmarks/everything.py FOLDER [--m4 TRAIN TEST] [--readme README.md]

Some minutes alone, a night where other libraries are installed (extra `[bench]`). `--m4` takes the
competition's two files of hourly series.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(script: str, *arguments: str | Path, check: bool = True) -> None:
    """Run one of them to its end, and say which."""
    print(f"--- {script}", *arguments, flush=True)
    subprocess.run([sys.executable, HERE / script, *map(str, arguments)], check=check)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--m4", type=Path, nargs=2, metavar=("TRAIN", "TEST"))
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    throughput, memory, startup = (options.folder / f"{name}.json" for name in ("throughput", "memory", "startup"))
    run("throughput.py", "--growth", "--json", throughput)
    quality = []
    for case in ("panel", "series", *(["m4"] if options.m4 else [])):
        files = ("--train", options.m4[0], "--test", options.m4[1]) if case == "m4" else ()
        quality.append(options.folder / f"{case}.json")
        run("quality.py", "--case", case, "--settle", *files, "--json", quality[-1])
    run("memory.py", "--json", memory)
    run("startup.py", "--json", startup, check=False)  # it fails where an aim is missed, which is a result as well
    others = ("--memory", memory, "--startup", startup, "--readme", options.readme)
    run("table.py", throughput, "--quality", *quality, *others)


if __name__ == "__main__":
    main()
