"""What the syncer knows of the line at this moment, and showing it to the till."""

from datetime import datetime

from stillopen.register.linkview import LinkView
from stillopen.register.syncer.engine import Engine
from stillopen.register.syncer.wire import WireError
from stillopen.register.till import Till
from stillopen.sync import link as line
from stillopen.sync.link import Cause, LineState
from stillopen.sync.quality import Quality, Timing, anew, measured, missed, tripped

_SMALL = 20_000  # bytes of an exchange whose time tells of the line and not of its load


class LineWatch:
    """Takes in signs of life and failures; every change of the indicator reaches the till at once."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self._engine: Engine | None = None
        self.quality = Quality()
        self._link = line.Link(started=self.now())

    def begin(self, engine: Engine) -> None:
        """The register is activated: from now on there is a line to watch."""
        self._engine = engine
        self._link = line.Link(started=self.now())

    def now(self) -> float:
        return self._till.clock.monotonic()

    # -- what happened -----------------------------------------------------------------------

    def alive(self) -> None:
        self._link = line.alive(self._link, self.now())
        self.show()

    def probed(self, seconds: float) -> None:
        """A probe was answered; after an outage what was measured before it counts no more."""
        if self.state() is LineState.OFFLINE:
            self.quality = anew(self.quality)
        self.quality = tripped(self.quality, seconds)
        self.alive()

    def answered(self, timing: Timing) -> None:
        """An exchange was answered well; only a small one says whether the line crawls."""
        self.quality = measured(self.quality, timing)
        small = timing.sent + timing.received < _SMALL
        beyond = timing.ended if small else 0.0
        self._link = line.answered(self._link, self.now(), beyond, self.limits())
        self.show()

    def missed(self, error: WireError) -> None:
        """An exchange was not answered, or with an error."""
        self.quality = missed(self.quality)
        self.judge(error)

    def judge(self, error: WireError) -> None:
        if error.answered:
            self._link = line.errored(self._link, self.now(), error.cause, error.retry_after)
        else:
            self._link = line.failed(self._link, error.cause)
        self.show()

    def broke_off(self) -> None:
        """The stream ended: the line has to be proven again."""
        self._link = line.failed(self._link, Cause.UNREACHABLE)
        self.show()

    def probing(self) -> None:
        self._link = line.probing(self._link, self.now())

    # -- what follows ------------------------------------------------------------------------

    def limits(self) -> line.Thresholds:
        settings = self._till.catalogue.register_settings()
        if settings is None:
            return line.Thresholds()
        return line.Thresholds(
            yellow_after=settings.yellow_after,
            red_after=settings.red_after,
            # On a slow line a probe takes longer, and more of them only stand in each other's way.
            probe_every=max(settings.probe_every, 2 * (self.quality.round_trip or 0.0)),
        )

    def state(self) -> LineState:
        return line.line_of(self._link, self.now(), self.limits())

    @property
    def ever_proven(self) -> bool:
        return self._link.proof is not None

    @property
    def doubtful(self) -> bool:
        """Nothing proves the line since it was last seen to break."""
        return self._link.proof is None or self._link.lost

    def proven_since(self, moment: float) -> bool:
        return self._link.proof is not None and self._link.proof > moment

    def probe_due(self, jitter: float) -> bool:
        return line.probe_due(self._link, self.now(), jitter, self.limits())

    def may_speak(self) -> bool:
        """Whether an exchange could get through: not while offline, nor while told to wait."""
        if self.now() < self._link.hold_until:
            return False
        untried = self._link.proof is None and not self._link.lost
        fails_but_answers = self._link.failing_since is not None
        return untried or fails_but_answers or self.state() is not LineState.OFFLINE

    # -- showing it --------------------------------------------------------------------------

    def show(self) -> None:
        """Tell the till, when it differs from what it knows."""
        if self._engine is None:
            return
        state, engine, old = self._shown_state(self._engine), self._engine, self._till.link
        self._till.set_link(
            LinkView(
                state=state,
                cause="" if state is LineState.CONNECTED else self._cause(state),
                since=old.since if old.state is state else self._since(state),
                feed_behind=engine.behind,
                incoming=engine.incoming,
                staged=engine.staged,
                quality=self.quality,
            )
        )

    def _shown_state(self, engine: Engine) -> LineState:
        if engine.state.revoked:
            return LineState.REVOKED
        if engine.state.waiting_for_upgrade:
            return LineState.UPGRADE_REQUIRED
        return self.state()

    def _cause(self, state: LineState) -> str:
        told = {LineState.REVOKED: "revoked", LineState.UPGRADE_REQUIRED: "upgrade"}
        return told.get(state) or (self._link.cause or Cause.TIMEOUT).value

    def _since(self, state: LineState) -> datetime:
        """Offline since the doubt began, not since it became certainty or the till was switched on."""
        old = self._till.link
        if state is LineState.OFFLINE and not self.ever_proven:
            heard = self._till.journal.sending.state().last_exchange_at
            return heard or self._till.clock.now()
        if state is LineState.OFFLINE and old.state is LineState.RECONNECTING and old.since:
            return old.since
        return self._till.clock.now()
