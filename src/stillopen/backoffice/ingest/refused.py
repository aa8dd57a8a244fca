"""What the sync API answers when it does not answer 200."""

from stillopen.sync.messages import Refusal


class Refused(Exception):
    """``status`` is the HTTP status; ``code`` is stable (docs/errors.md); ``message`` one plain sentence.

    ``retry_after`` (seconds) goes into the header of that name: the register waits that long.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        retry_after: float | None = None,
        **details: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.refusal = Refusal(code=code, message=message, details=details)

    @property
    def code(self) -> str:
        return self.refusal.code


def bad_message(reason: str) -> Refused:
    """``reason`` without a full stop."""
    return Refused(400, "bad_message", f"This is no message of the sync protocol: {reason}.")


def try_again(reason: str = "The Back Office could not store anything just now.") -> Refused:
    """Nothing was stored and no ack moved: the same request may be sent again."""
    return Refused(503, "try_again", reason, retry_after=1.0)
