"""Forecasts in closed form (references), the causal features that they and networks read, scaling and encodings."""
