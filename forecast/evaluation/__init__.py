"""Rolling origins, metrics, significance: how good a forecast was, and whether that can be chance."""
