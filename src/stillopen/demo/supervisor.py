"""The running demo: Back Office, line and registers, and the orders that come from another terminal."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from stillopen.demo import setup
from stillopen.demo.control import Control, Order
from stillopen.demo.line import Line, LineState
from stillopen.demo.ports import HOST
from stillopen.demo.programs import Program
from stillopen.demo.shop import Demo, folder_of_backoffice, folder_of_register
from stillopen.domain.errors import DomainError

Say = Callable[[str], None]


class Supervisor:
    """Made for one run in ``folder`` (absolute); ``count`` registers from ``register_port`` on."""

    def __init__(
        self,
        folder: Path,
        demo: Demo,
        backoffice_port: int,
        register_ports: list[int],
        say: Say,
    ) -> None:
        self._folder = folder
        self._demo = demo
        self._say = say
        self._register_ports = register_ports
        self._open = False  # all is started
        self._ending = asyncio.Event()
        self._line = Line((HOST, backoffice_port), HOST, demo.line_port)
        self._control = Control(folder, self._obey)
        self._backoffice = self._program_backoffice(backoffice_port)
        self._registers = [
            self._program_register(number, port) for number, port in enumerate(register_ports, 1)
        ]

    async def run(self, welcome: Callable[[], None]) -> None:
        """Start all, say ``welcome``, serve until SIGINT or SIGTERM, stop all in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ending.set)
        starting = asyncio.create_task(self._start())
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._open = True
                welcome()
                await ending
            self._say("Stopping.")
        finally:
            starting.cancel()
            ending.cancel()
            await asyncio.gather(starting, ending, return_exceptions=True)
            await self._stop()

    async def _start(self) -> None:
        await self._line.start()
        await self._control.start()
        await self._launch([self._backoffice])
        if self._all_active():
            await self._launch(self._registers)
        await self._backoffice.ready()
        for number in range(1, len(self._registers) + 1):
            await asyncio.to_thread(setup.activate, self._folder, self._demo, number, self._say)
        await self._launch([r for r in self._registers if not r.running])
        await asyncio.gather(*(register.ready() for register in self._registers))

    def _all_active(self) -> bool:
        wanted = self._demo.tills[: len(self._registers)]
        return len(wanted) == len(self._registers) and all(till.active for till in wanted)

    async def _stop(self) -> None:
        await asyncio.gather(*(register.stop() for register in self._registers))
        await self._backoffice.stop()
        await self._line.close()
        self._control.close()

    async def _launch(self, programs: list[Program]) -> None:
        for program in programs:
            await program.start()
        self._note()

    def _note(self) -> None:
        every = [self._backoffice, *self._registers]
        self._control.note([program.pid for program in every if program.pid is not None])

    # -- programs --------------------------------------------------------------------------

    def _program_backoffice(self, port: int) -> Program:
        place = str(folder_of_backoffice(self._folder))
        return Program(
            "The Back Office",
            ["backoffice", "serve", "--dir", place, "--port", str(port)],
            f"http://{HOST}:{port}/api/v1/healthz",
            self._folder / "logs" / "backoffice.log",
            self._ended,
        )

    def _program_register(self, number: int, port: int) -> Program:
        place = str(folder_of_register(self._folder, number))
        return Program(
            f"Register R{number}",
            ["register", "serve", "--data-dir", place, "--port", str(port)],
            f"http://{HOST}:{port}/api/v1/status",
            self._folder / "logs" / f"register-{number}.log",
            self._ended,
        )

    def _ended(self, program: Program, code: int) -> None:
        if not self._open:
            return  # whoever waits for it to be ready says what happened
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        what = "backoffice" if program is self._backoffice else "register"
        self._say(f"{program.name} {how}. Start it again with: stillopen demo start {what}")
        self._note()

    # -- orders ----------------------------------------------------------------------------

    async def _obey(self, order: Order) -> str:
        match order.do:
            case "cut":
                self._line.cut()
                return self._told("The line is cut: nothing gets through, and nobody is told.")
            case "mend":
                await self._line.mend()
                return self._told("The line is mended.")
            case "stop" | "start":
                return self._told(await self._stop_or_start(order))
            case "status":
                return self._status()
        raise DomainError("bad_order", f"The demo cannot {order.do}.")

    def _told(self, words: str) -> str:
        """Also in the first terminal, where the demo runs."""
        self._say(words)
        return words

    async def _stop_or_start(self, order: Order) -> str:
        programs = self._chosen(order)
        if order.do == "start":
            idle = [program for program in programs if not program.running]
            await self._launch(idle)
            await asyncio.gather(*(program.ready() for program in idle))
            return _names(programs) + (" again." if idle else " already: nothing to do.")
        await asyncio.gather(*(program.stop(order.kill) for program in programs))
        self._note()
        return _names(programs, "not running") + "."

    def _chosen(self, order: Order) -> list[Program]:
        if order.what == "backoffice":
            return [self._backoffice]
        if order.number > len(self._registers):
            raise DomainError("no_such_register", f"The demo has no register {order.number}.")
        return [self._registers[order.number - 1]] if order.number else self._registers

    def _status(self) -> str:
        line = "open" if self._line.state is LineState.OPEN else "cut"
        every = [self._backoffice, *self._registers]
        return "\n".join([f"The line: {line}", *(_names([program]) for program in every)])


def _names(programs: list[Program], words: str = "") -> str:
    return ", ".join(
        f"{p.name}: {words or ('running' if p.running else 'stopped')}" for p in programs
    )
