"""What a judged request is answered with, and what is kept of what the register said of itself."""

from datetime import datetime
from typing import Any

import msgspec

from stillopen.backoffice.ingest.fact import Place
from stillopen.backoffice.ingest.standing import Standing
from stillopen.backoffice.ingest.store import said
from stillopen.sync.chain import GENESIS
from stillopen.sync.messages import Ack, ExchangeAnswer, ExchangeRequest, NotApplied
from stillopen.sync.server_side import Verdict

NONCE_BYTES = 16


class Reply(msgspec.Struct, frozen=True):
    """To a fresh ``request``."""

    request: ExchangeRequest
    verdict: Verdict
    standing: Standing

    @property
    def behind(self) -> bool:
        """Whether there are catalogue rows for the register."""
        return self.verdict.feed and self.request.cursors_hash != self.standing.heads.hash

    @property
    def live_behind(self) -> bool:
        return self.verdict.feed and self.request.live_hash != self.standing.live.hash

    def message(
        self, label: str, nonce: bytes, now: datetime, held_back: tuple[NotApplied, ...] = ()
    ) -> ExchangeAnswer:
        return ExchangeAnswer(
            request=self.request.request,
            nonce=nonce,
            ack=self.verdict.ack,
            server_time=now,
            not_applied=held_back,
            feed_behind=self.behind,
            live_behind=self.live_behind,
            label=None if label == self.request.label else label,
            backed_up=self._reach(),
            instructions=self.verdict.instructions,
        )

    def columns(self, place: Place, nonce: bytes, now: datetime) -> dict[str, Any]:
        """Of the register's row."""
        columns = {"nonce": nonce, **said(self.request, place, now)}
        cursors = self._cursors()
        if cursors is not None:
            columns["cursors"] = msgspec.json.encode(cursors).decode()
        return columns

    def _cursors(self) -> dict[str, int] | None:
        """Where the register stands in the feed, as far as it said so."""
        heads, live = self.standing.heads.seqs, self.standing.live.seqs
        if self.verdict.feed and not self.behind:
            return heads if self.live_behind else heads | live
        if self.request.pull is None:
            return None
        return {c.scope: c.seq for c in self.request.pull.cursors if c.scope in heads}

    def _reach(self) -> Ack | None:
        """How far the backups reach on the request's line of history, where the register thinks otherwise."""
        known, branch = self.standing.known, self.verdict.branch
        backed_up = known.backed_up if known else {}
        nothing = Ack(self.request.epoch, 0, GENESIS)
        reach = backed_up.get(branch.name, nothing) if branch else nothing
        return None if reach.seq == self.request.backed_up else reach
