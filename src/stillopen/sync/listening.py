"""How a register hears of news: an event stream, or long-polls where something holds streams back.

    stream ──no first heartbeat, but an exchange beside it is answered──► poll for POLL_FOR ──► stream
           ──STRIKES short-lived streams within WITHIN─────────────────►

A buffering proxy shows as a stream that opens and stays silent; another one closes what takes too long. What was
found out is kept for a while (for one address: the state begins anew with another), then the stream is tried again.
Times are monotonic seconds.
"""

import msgspec

POLL_FOR = 600.0
STRIKES, WITHIN = 3, 120.0
#: A stream that lived as long as this was worth having.
WORTH = 45.0
#: Seconds until the first heartbeat of a stream must have come, beside three round trips.
FIRST_HEARTBEAT = 1.5


class Listening(msgspec.Struct, frozen=True):
    poll_until: float = 0.0
    strikes: tuple[float, ...] = ()  # when short-lived streams ended


def held_back(listening: Listening, now: float) -> Listening:
    """Streams do not come through here."""
    return Listening(poll_until=now + POLL_FOR)


def ended(listening: Listening, now: float, lived: float) -> Listening:
    """A stream ended or fell silent after ``lived`` seconds while the line itself was fine."""
    if lived >= WORTH:
        return Listening()
    recent = (*(at for at in listening.strikes if now - at < WITHIN), now)
    return held_back(listening, now) if len(recent) >= STRIKES else Listening(strikes=recent)


def by_poll(listening: Listening, now: float) -> bool:
    return now < listening.poll_until


def poll_wait(yellow_after: float, round_trip: float) -> float:
    """How long a poll is held: its heartbeat is to come before the indicator turns yellow."""
    return min(max(0.6 * yellow_after - round_trip, 0.5), 25.0)
