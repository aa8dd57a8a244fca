"""The fleet simulator: real registers and a real Back Office in one process; see docs/simulator.md."""
