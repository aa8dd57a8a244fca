"""The loop that keeps a register in step: engine (stores), wire (HTTP), service (timers)."""
