"""The one kind of error that a rule of the shop raises: a stable code and one plain sentence."""


class DomainError(Exception):
    """A rule of the shop was not met.

    ``code`` is stable and documented in docs/errors.md; ``message`` is one sentence for a person;
    ``details`` holds JSON-ready values (money in minor units).
    """

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
