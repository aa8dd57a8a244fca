"""Measurements, each beside its limit in the same run. Imported by nothing but its own command."""
