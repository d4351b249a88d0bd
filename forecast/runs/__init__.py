"""The run folder: what a run leaves behind, and how it is opened again.

A run folder is data and may come from a stranger. Opening one reads `run.json` and `weights.safetensors`, nothing
else in it, into a skeleton that our own code builds: no pickle, no YAML, no class path.
"""
