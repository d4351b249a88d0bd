"""Layers of an LSTM, a GRU or an RNN that numba compiles, behind torch's modules; needs the extra `[fast]`."""
