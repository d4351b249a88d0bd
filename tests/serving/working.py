"""The process of a job of the tests: what it does, its horizon says."""

import json
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
asked = json.loads((folder / "job.json").read_text())
with (folder.parent / "order.txt").open("a") as order:
    order.write(f"{Path(asked['path']).name} begins\n")
(folder / "progress.json").write_text(json.dumps({"said": "fitting", "share": 0.5}))
if asked["horizon"] == 2:
    sys.stderr.write("a warning\nforecast: the file is wrong: mend it\n")
    sys.exit(2)
if asked["horizon"] == 3:
    raise ZeroDivisionError
if asked["horizon"] == 4 and not (folder.parent / "go").exists():
    time.sleep(600)
run = folder / "run"
run.mkdir()
(run / "run.json").write_text(json.dumps({"verdict": "use naive", "recommendation": None}))
(run / "report.html").write_text("<h1>report</h1>")
(run / "forecast.csv").write_text("unique_id,ds\n")
with (folder.parent / "order.txt").open("a") as order:
    order.write(f"{Path(asked['path']).name} ends\n")
