"""A server that went back in time gets again what it lost, once."""

from stillopen.sync import effects, register_side
from tests.sync.journals import (
    arrive,
    everything_once,
    shop,
)
from tests.sync.lines import Books


def test_a_restored_server_gets_the_rest_again() -> None:
    books, till = shop(4)
    backup = books.saved()
    arrive(books, till, 6)
    books.restore(backup)
    assert till.settle(books) <= 4  # stale, rewind, all of it
    assert [type(e).__name__ for e in till.effects].count("Rewind") == 1
    assert any(v.went_back for v in books.verdicts)
    assert len(till.disk.lines) == 1
    everything_once(books, till)


def test_a_server_that_lost_the_epoch_altogether() -> None:
    books, till = shop(4)
    books.restore(Books(books.rng, nonce=b"other"))
    till.settle(books)
    everything_once(books, till)


def test_a_server_restored_to_before_a_new_epoch_gets_the_former_one_again_too() -> None:
    books, till = shop(4)
    backup = books.saved()
    image = till.copied()
    arrive(books, till)
    arrive(books, image, 3)
    arrive(books, image)
    assert len(image.disk.lines) == 2
    books.restore(backup)
    image.settle(books)
    everything_once(books, image)
    till.settle(books)
    everything_once(books, image, till)


def test_former_epochs_are_asked_about_even_where_the_present_one_is_empty() -> None:
    books, till = shop(4)
    backup = books.saved()
    image = till.copied()
    arrive(books, till)
    arrive(books, image)
    books.restore(backup)
    image.settle(books)  # nothing of the new epoch had arrived: only the former one can tell
    everything_once(books, image)


def test_disk_and_server_both_restored() -> None:
    books, till = shop(2)
    backup = books.saved()
    till.sell()
    image = till.copied()
    arrive(books, till)
    books.restore(backup)
    arrive(books, image)
    assert len(image.disk.lines) == 1  # to this server nothing ever parted
    till.settle(books)
    assert len(till.disk.lines) == 2
    everything_once(books, till, image)


def test_a_copy_filled_the_restored_server_first() -> None:
    """The end of what is held is not this register's: it finds the common place by itself."""
    books, till = shop(2)
    copy, backup = till.copied(), books.saved()
    arrive(books, till, 6)
    books.restore(backup)
    arrive(books, copy, 3)
    assert till.settle(books) <= 7
    back = [e.ack.seq for e in till.effects if isinstance(e, effects.Rewind)]
    assert back == [0]
    everything_once(books, till, copy)


def test_a_label_that_gave_way_is_not_given_again() -> None:
    books, till = shop(2)
    copies = [till.copied() for _ in range(3)]
    arrive(books, till)
    first = copies[0]
    while len(first.disk.lines) == 1:
        first.exchange(books)
    first.state = register_side.failed(first.state)
    books.answer(first.request())  # the server says b; the answer is lost, and the till sells
    arrive(books, first)
    copies[1].settle(books)
    copies[2].settle(books)
    assert copies[1].disk.lines[-1].label == "c" and copies[2].disk.lines[-1].label == "d"
    assert len(set(books.labels.values())) == 4
    assert first.disk.lines[-1].label.startswith("x")
