"""Everything that is measured of a trained network, in one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.inspection.frequency import Frequencies, frequencies_of
from forecast.inspection.memory import Memory, memory_of
from forecast.inspection.noise import Noise, noise_of
from forecast.inspection.responses import Constant, Response, constant_of, impulse_of, step_of
from forecast.inspection.starts import Starts, starts_of

if TYPE_CHECKING:
    from forecast.inspection.system import System
    from forecast.questions.kinds import TargetType


@dataclass(frozen=True, eq=False)
class Examination:
    """One field a topic; the modules of this package say what each is.

    `asks` says what of each step is forecast: where it is the direction, answers are logits of a rise and errors roots
    of Brier scores. `starts` is None where no state is carried that could begin elsewhere.
    """

    asks: TargetType  # so called in probe.json
    memory: Memory
    frequencies: Frequencies
    constant: Constant
    impulse: Response
    step: Response
    noise: Noise
    starts: Starts | None


def examine(system: System, seed: int = 0) -> Examination:
    """Measure all of it; `seed` draws the noise and the starting states."""
    return Examination(
        asks=system.fitted.problem.target_type,
        memory=memory_of(system),
        frequencies=frequencies_of(system),
        constant=constant_of(system),
        impulse=impulse_of(system),
        step=step_of(system),
        noise=noise_of(system, seed=seed),
        starts=starts_of(system, seed) if system.carries_state else None,
    )
