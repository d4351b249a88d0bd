"""Closed forms known at an origin, the causal features that they and the networks read, scaling, encoding."""
