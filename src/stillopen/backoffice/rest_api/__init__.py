"""The REST API for scripts and integrators, ``/api/v1``; its contract is docs/rest-api.md and openapi.json."""
