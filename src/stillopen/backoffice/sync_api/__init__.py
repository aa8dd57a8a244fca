"""``/sync/v1``: the door for registers, in front of Django."""
