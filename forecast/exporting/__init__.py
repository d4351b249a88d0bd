"""Trained networks as ONNX graphs, for programs without Python: everything from raw values to quantiles inside."""
