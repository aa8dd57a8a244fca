"""Stillopen: a point of sale that keeps selling when the internet does not."""

__version__ = "0.1.0"
