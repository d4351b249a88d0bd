"""Imports without garbage collection leave the collector as it was, and lose nothing."""

import gc
import weakref

import pytest

from forecast.importing import importing


class Loop:
    """An object that only the collector can free."""

    def __init__(self):
        self.own = self


@pytest.fixture
def runs():
    """Generations that were collected, one after the other."""
    seen = []

    def note(phase, info):
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_nothing_is_collected_meanwhile_and_all_garbage_later(runs):
    gc.collect()
    runs.clear()
    with importing():
        kept = [Loop() for _ in range(5000)]
        lost = weakref.ref(Loop())
    assert runs == []
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert gc.get_count()[0] < gc.get_threshold()[0]  # they wait for no collection of the youngest
    assert lost() is not None
    gc.collect()
    assert lost() is None
    del kept


def test_an_import_that_fails_leaves_the_collector_on():
    with pytest.raises(ImportError), importing():
        import forecast.nothing_of_this_name  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_few_objects_that_python_3_12_freezes_itself_change_nothing(monkeypatch):
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 375)
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_somebody_has_frozen_stays_frozen():
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with importing():
            pass
        assert gc.get_freeze_count() == pytest.approx(frozen, abs=50)  # some are freed meanwhile
        assert gc.isenabled()
    finally:
        gc.unfreeze()
