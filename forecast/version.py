"""The version of this program; it is the same whether the package is installed or run from a checkout."""

__version__ = "0.1.0"
