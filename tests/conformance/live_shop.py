"""A store of three real tills and a real Back Office in one process, with a line that loses what it is told
to. What a screen must show is worked out beside it, from the facts alone."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec

from stillopen.backoffice.accounts.models import Account
from stillopen.backoffice.devices.models import Register
from stillopen.backoffice.feed.models import Head
from stillopen.backoffice.ingest.models import Entry
from stillopen.backoffice.ingest.receive import exchange
from stillopen.backoffice.ingest.retry import retry_register
from stillopen.backoffice.stock.models import Level, Movement
from stillopen.backoffice.stock.verbs import set_initial_stock
from stillopen.backoffice.worker.worker import Worker
from stillopen.domain.cart import CartLine
from stillopen.domain.tender import Tender, TenderType
from stillopen.domain.totals import Rules
from stillopen.register.clock import ManualClock
from stillopen.register.store.entries import Draft
from stillopen.register.store.identity import Identity
from stillopen.register.syncer.engine import Engine
from stillopen.register.till import Till
from tests.backoffice.ingest.till import make_account, make_line, make_sale, make_store

NOW = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
MACHINE = "this machine"


class LiveTill:
    """A till: its folder, the program that is running on it, and the facts that lie in its journal."""

    def __init__(self, shop: "LiveShop", name: str, folder: Path) -> None:
        self.shop, self.name, self.folder = shop, name, folder
        self.clock = ManualClock(NOW)
        self.till = Till.open(folder, self.clock, machine=MACHINE)
        self.made = 0
        self.facts: dict[str, tuple[str, int]] = {}  # id → product, thousandths
        self._activate()
        self.engine = Engine(self.till)

    def _activate(self) -> None:
        store = self.shop.store
        self.row = Register(account=store.account, store=store, name=self.name)
        self.row.state, self.row.license_digest = Register.State.ACTIVE, uuid4().hex
        self.row.public_key = self.till.device.public_key
        self.row.save()
        identity = Identity(
            register=str(self.row.id),
            register_name=self.name,
            store=str(store.id),
            store_code="S1",
            store_name="S1",
            account="a",
            account_name="a",
            currency="EUR",
            backoffice="http://127.0.0.1:1",
            activated_at=NOW,
        )
        self.till.journal.identity.save(identity)

    def sell(self, product: str, quantity: int = 1, currency: str = "EUR") -> str:
        """A cash sale on the disk; the number of its receipt."""
        self.made += 1
        number = f"S1-{self.name}-{self.made:06d}"
        line: CartLine = make_line(100, str(quantity), product=product)
        paid = [Tender(type=TenderType.CASH, amount=100_000)]
        receipt = make_sale(number, lines=[line], rules=Rules(currency=currency), tenders=paid)
        draft = Draft(
            id=self.clock.new_id(),
            kind="sale",
            payload=receipt,
            occurred_at=self.clock.now(),
            business_day=self.clock.now().date(),
            receipt=number,
            total=receipt.total,
        )
        with self.till.change("journal"):
            self.till.journal.entries.append(draft)
        self.facts[draft.id] = (product, -1000 * quantity)
        self.shop.facts[draft.id] = self.facts[draft.id]
        return number

    def exchange(self, lost: str = "") -> None:
        """One request and its answer, of which ``lost`` ("request", "answer") never arrives."""
        prepared = self.engine.prepare()
        if lost == "request":
            self.engine.failed()
            return
        proof = bytes.fromhex(prepared.proof.split(":")[1])
        answer = exchange(str(self.row.id), prepared.body, proof, self.shop.now)
        if lost == "answer":
            self.engine.failed()
        else:
            self.engine.hear(answer)

    def settle(self) -> None:
        """Exchange until nothing is left to say; ask for the live lane, as after a poke."""
        self.engine.look_for_live()
        for _ in range(60):
            self.exchange()
            if not self.engine.has_work():
                return
        raise AssertionError("it never ends")

    def shown(self, product: str) -> int | None:
        """Thousandths, as the screens have them."""
        return self.till.stock.available([product]).get(product)

    def must_show(self, product: str) -> int | None:
        """What is known of the stock, and every fact of this till exactly once."""
        at = self.shop.published.get(self._cursor())
        counted = product in self.shop.products
        if at is None or not (counted or product in {self.shop.facts[e][0] for e in at}):
            return None  # nobody has ever counted or sold it, as far as is known here
        others = (self.shop.facts[entry] for entry in at if entry not in self.facts)
        known = [*others, *self.facts.values()]
        moved = sum(milli for sold, milli in known if sold == product)
        return moved + (self.shop.initial if counted else 0)

    def _cursor(self) -> int:
        scope = f"stock:{self.shop.store.id}"
        return next((c.seq for c in self.till.live.published.cursors if c.scope == scope), 0)

    # -- disks that are new, or go back in time

    def reinstall(self, folder: Path) -> None:
        """The same register and device in a new folder, without its journal."""
        identity = self.till.require_identity()
        self.till.close()
        folder.mkdir()
        shutil.copy(self.folder / "device.json", folder)
        self.folder, self.facts = folder, {}
        self.till = Till.open(folder, self.clock, machine=MACHINE)
        self.till.journal.identity.save(identity)
        self.engine = Engine(self.till)

    def restart(self) -> None:
        self.till.close()
        self.till = Till.open(self.folder, self.clock, machine=MACHINE)
        self.engine = Engine(self.till)

    def keep_image(self) -> None:
        """Beside the folder, in place of the one before."""
        shutil.rmtree(self._image, ignore_errors=True)
        self.image(self._image)

    def back_to_image(self) -> None:
        """If there is one; and the till is heard of until everything of it is known again."""
        if self._image.exists():
            self.restore(self._image)

    @property
    def _image(self) -> Path:
        return self.folder.with_name(self.folder.name + "-image")

    def image(self, to: Path) -> None:
        """A copy of the disk, the program stopped meanwhile."""
        self.till.close()
        shutil.copytree(self.folder, to)
        (to / "facts").write_bytes(msgspec.json.encode(self.facts))
        self.till = Till.open(self.folder, self.clock, machine=MACHINE)
        self.engine = Engine(self.till)

    def restore(self, image: Path) -> None:
        self.till.close()
        shutil.rmtree(self.folder)
        shutil.copytree(image, self.folder)
        facts = msgspec.json.decode((image / "facts").read_bytes())
        self.facts = {entry: (product, milli) for entry, (product, milli) in facts.items()}
        self.till = Till.open(self.folder, self.clock, machine=MACHINE)
        self.engine = Engine(self.till)


class LiveShop:
    """``published``: head of the stock scope → ids of the facts that its figures count."""

    initial = 1_000_000

    def __init__(
        self, folder: Path, products: tuple[str, ...] = ("milk", "bread"), tills: int = 3
    ) -> None:
        self.now = NOW
        self.account: Account = make_account()
        self.store = make_store(self.account)
        self.products = products
        self.facts: dict[str, tuple[str, int]] = {}
        self.published: dict[int, set[str]] = {}
        self.worker = Worker()
        levels = [(product, self.initial // 1000) for product in products]
        set_initial_stock(self.account, self.store, levels, "first count")  # type: ignore[arg-type]
        self.tills = [LiveTill(self, f"R{n}", folder / f"R{n}") for n in range(1, tills + 1)]

    def work(self) -> None:
        """The worker, until nothing is due; a second goes by."""
        self.now += timedelta(seconds=1)
        while self.worker.step(self.now):
            self._note()
        self._note()

    def deliver(self, product: str, quantity: int) -> None:
        """A person counts so much more of it than the Back Office knows of."""
        level = Level.objects.get(product_id=product).quantity + quantity
        set_initial_stock(self.account, self.store, [(product, level)], f"count {self.now}")  # type: ignore[arg-type]

    def _note(self) -> None:
        head = Head.objects.filter(scope=f"stock:{self.store.id}").first()
        if head is not None and head.seq and head.seq not in self.published:
            moved = Movement.objects.filter(store_id=self.store.id, reason="sale")
            self.published[head.seq] = set(map(str, moved.values_list("source", flat=True)))

    def retry(self, till: LiveTill) -> None:
        """A person has put right what kept the entries of ``till`` from being booked."""
        account = Account.objects.filter(id=self.account.id)
        account.update(currency="USD")
        retry_register(till.row.id, self.now)
        account.update(currency="EUR")

    def held(self) -> int:
        return Entry.objects.exclude(status="applied").count()

    def left(self, product: str) -> int:
        """What must be in stock when everything has arrived: a sale that was on a lost disk alone is lost."""
        known = {str(row) for row in Entry.objects.values_list("entry_id", flat=True)}
        known = known.union(*(till.facts for till in self.tills))
        return self.initial + sum(
            milli
            for entry, (sold, milli) in self.facts.items()
            if entry in known and sold == product
        )

    def check(self) -> None:
        for till in self.tills:
            for product in (*self.products, "unheard of"):
                assert till.shown(product) == till.must_show(product), (till.name, product)

    def close(self) -> None:
        for till in self.tills:
            till.till.close()
