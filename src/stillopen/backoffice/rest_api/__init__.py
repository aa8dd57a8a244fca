"""The REST API for scripts and integrators, ``/api/v1``; openapi.json describes it."""
