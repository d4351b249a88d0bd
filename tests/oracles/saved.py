"""What a run folder keeps of a fitted network, handed over without a folder."""

from __future__ import annotations


def saved_parts(fitted, panel):
    """All that `restore` asks for beside the settings, the problem and the ids; `panel` is what was fitted on."""
    beside = [part.channels for part in (panel.ahead, panel.static) if part is not None]
    return {
        "channels": sum(beside, panel.channels),
        "facts": fitted.reference.facts(),
        "tensors": fitted.tensors(),
        "epochs": fitted.epochs,
    }
