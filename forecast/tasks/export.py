"""`task=export`: the network of a run as ONNX graphs, checked, in a folder of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forecast.exporting.files import CONTEXT, NAMES, STEP, write_graphs
from forecast.runs import files
from forecast.runs.folder import added_to
from forecast.runs.run import open_run
from forecast.wording import listed, number

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class Exported:
    """Where the graphs lie, and what their JSON says."""

    folder: Path
    content: dict[str, Any]

    @property
    def lines(self) -> tuple[str, ...]:
        """What was written, how it was checked, and what is not there."""
        graphs, checked = self.content["graphs"], self.content["checked"]
        lines = [
            f"exported {self.content['network']} to {self.folder}: {listed([*graphs, NAMES])}",
            f"checked in onnxruntime {checked['onnxruntime']} against the network, at several batch sizes and lengths: "
            f"the largest difference is {number(checked['largest_difference'])} of {checked['unit']} (1e-5 is allowed)",
        ]
        if CONTEXT not in graphs:
            lines.append(
                f"there is no {CONTEXT}: the smoothers that the pretrained network reads are brought up to date value "
                f"by value; read a context by {STEP}, from a state of zeros on"
            )
        if STEP not in graphs:
            lines.append(
                f"there is no {STEP}: a network trained on windows reads {self.content['fewest_context_steps']} steps "
                f"for each forecast anew and carries no state (training.regime=windows)"
            )
        return tuple(lines)


def export(run: str | Path, outputs: str | Path = "outputs") -> Exported:
    """Write the network of a run as ONNX graphs into its folder.

    Raises
    ------
    ForecastError
        No such run, without the extra `[onnx]`, a network that cannot be exported, or graphs that forecast otherwise.

    """
    opened = open_run(run, outputs)
    with added_to(opened.folder) as staging:
        (staging / files.GRAPHS).mkdir()
        description = write_graphs(opened, staging / files.GRAPHS)
    return Exported(opened.folder / files.GRAPHS, description)
