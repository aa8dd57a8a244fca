"""``/sync/v1``: the registers' door. Raw ASGI, beside Django rather than behind it: no session, no cookie."""
