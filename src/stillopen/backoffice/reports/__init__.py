"""What the daily pages and the REST API read: queries over ledger, devices and stock. Nothing here writes."""
