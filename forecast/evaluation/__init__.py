"""Rolling origins, metrics, significance, intervals: how good forecasts are, and whether that can be chance."""
