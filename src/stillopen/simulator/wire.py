"""The line between one till and the Back Office: slow, lossy, repeating itself, cut in one direction or both."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from stillopen.register.syncer.engine import Prepared
from stillopen.simulator.transcript import brief
from stillopen.simulator.world import World


class Answer(msgspec.Struct, frozen=True):
    """``status`` 200 with a message, 206 with a part of a file, or a refusal with its ``code``."""

    status: int
    body: bytes = b""
    code: str = ""
    retry_after: float | None = None


class Server(Protocol):
    """Both answer None when nothing answers (it is down, or died over it)."""

    def handle(self, who: str, proof: str, body: bytes) -> Answer | None: ...

    def hand_out(self, who: str, proof: str, name: str, first: int, last: int) -> Answer | None: ...


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """How the line is. Chances are per message and direction; times in seconds, from … to."""

    latency: tuple[float, float] = (0.02, 0.08)
    loss: float = 0.0
    repeat: float = 0.0
    late: float = 0.0  # it arrives, much later
    truncate: float = 0.0


FINE = Weather()
_LATE = (15.0, 600.0)


class Wire:
    """The line of one till; ``answered`` hears (number of the request, answer)."""

    def __init__(self, world: World, server: Server, who: str) -> None:
        self.world, self.server, self.who = world, server, who
        self.weather = FINE
        self.cut_up = self.cut_down = False

    @property
    def is_cut(self) -> bool:
        return self.cut_up or self.cut_down

    def post(
        self, number: int, prepared: Prepared, answered: Callable[[int, Answer], None]
    ) -> None:
        """Send; what comes back comes to ``answered``, perhaps twice, late, or never."""
        self._ask(
            str(number),
            prepared.body,
            lambda body: self.server.handle(self.who, prepared.proof, body),
            lambda answer: answered(number, answer),
        )

    def fetch(
        self, name: str, proof: str, first: int, last: int, answered: Callable[[Answer], None]
    ) -> None:
        """Ask for a part of a snapshot file."""
        self._ask(
            f"for bytes {first}–{last}",
            b"",
            lambda _: self.server.hand_out(self.who, proof, name, first, last),
            answered,
        )

    def _ask(
        self,
        what: str,
        body: bytes,
        handle: Callable[[bytes], Answer | None],
        answered: Callable[[Answer], None],
    ) -> None:
        if self.cut_up:
            return self._lost(f"request {what}", "cut_up" if not self.cut_down else "cut")

        def arrive(body: bytes) -> None:
            answer = handle(body)
            if answer is not None:
                self._back(what, answer, answered)

        self._carry(f"request {what}", body, arrive)

    def _back(self, what: str, answer: Answer, answered: Callable[[Answer], None]) -> None:
        if self.cut_down:
            return self._lost(f"answer {what}", "cut_down" if not self.cut_up else "cut")

        def arrive(body: bytes) -> None:
            answered(msgspec.structs.replace(answer, body=body))

        self._carry(f"answer {what}", answer.body, arrive)

    def _carry(self, what: str, body: bytes, arrive: Callable[[bytes], None]) -> None:
        world, weather = self.world, self.weather
        if world.chance(weather.loss):
            return self._lost(what, "loss")
        if body and world.chance(weather.truncate):
            world.fault("truncated")
            body = body[: world.rng.randrange(len(body))]
            world.say(self.who, f"~ {what} is cut off after {len(body)} bytes")
        if world.chance(weather.repeat):
            world.fault("repeated")
            world.after(self._delay(world.chance(0.5)), lambda: self._again(what, body, arrive))
        late = world.chance(weather.late)
        if late:
            world.fault("late")
            world.say(self.who, f"~ {what} {brief(body)} is held up")
        world.after(self._delay(late), lambda: arrive(body))

    def _again(self, what: str, body: bytes, arrive: Callable[[bytes], None]) -> None:
        self.world.say(self.who, f"~ {what} {brief(body)} once more")
        arrive(body)

    def _delay(self, late: bool) -> float:
        return self.world.rng.uniform(*(_LATE if late else self.weather.latency))

    def _lost(self, what: str, why: str) -> None:
        self.world.fault(why)
        self.world.say(self.who, f"~ {what} is lost ({why})")
