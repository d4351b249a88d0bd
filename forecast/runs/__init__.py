"""The run folder: written whole or not at all, and opened again as data.

A run folder may come from a stranger. Opening one reads `run.json` and `weights.safetensors`, nothing else in it, into
a skeleton that our own code builds: no pickle, no YAML, no class path.
"""
