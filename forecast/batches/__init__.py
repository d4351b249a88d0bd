"""Segments, lanes, chunks and windows: index arithmetic only."""
