import pytest
import torch

from forecast.network.cpu import flush_denormals

TINY = torch.tensor([1e-40])


def halved():
    return (TINY * 0.5).item()


def test_within_the_block_they_are_zero_and_after_it_they_are_not():
    assert halved() > 0
    with flush_denormals():
        assert halved() == 0
    assert halved() > 0


def test_after_an_error_they_are_not_zero_either():
    with pytest.raises(ValueError, match="oops"), flush_denormals():
        raise ValueError("oops")
    assert halved() > 0


def test_who_had_them_flushed_before_has_them_flushed_after():
    torch.set_flush_denormal(True)
    try:
        with flush_denormals():
            pass
        assert halved() == 0
    finally:
        torch.set_flush_denormal(False)
