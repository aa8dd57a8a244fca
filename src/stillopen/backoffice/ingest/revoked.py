"""Facts that arrive after their register was revoked: kept, and applied when a person says yes."""

from collections.abc import Sequence

from stillopen.backoffice.ingest.fact import AFTER_REVOCATION, QUARANTINED, Fact, Finding


def hold_after_revocation(facts: Sequence[Fact]) -> None:
    """Let all of ``facts`` wait, and file one exception for them together."""
    held = [fact for fact in facts if fact.status != QUARANTINED]
    for fact in held:
        fact.wait(AFTER_REVOCATION)
    if held:
        first = held[0]
        many = "1 entry" if len(held) == 1 else f"{len(held)} entries"
        message = f"{many} arrived after the register was revoked; apply what came?"
        key = f"{AFTER_REVOCATION}:{first.branch}:{first.entry.seq}"
        held[0].findings = [Finding(AFTER_REVOCATION, message, {"count": len(held)}, key)]
