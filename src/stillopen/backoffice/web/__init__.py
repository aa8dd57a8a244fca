"""The daily pages of the Back Office: server-rendered, refreshed in place by htmx, working without it too."""
