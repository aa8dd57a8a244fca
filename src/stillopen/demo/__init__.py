"""The demo shop: a Back Office, its registers, and the line between them, which can be cut."""
