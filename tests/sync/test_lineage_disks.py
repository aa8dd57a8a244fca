"""Disks that were restored or copied: everything is kept once, and nobody is left behind."""

from tests.sync.journals import (
    arrive,
    everything_once,
    sell,
    shop,
)


def test_an_ordinary_day_needs_no_branch() -> None:
    books, till = shop(250)
    assert till.line_to_send().acked[0] == 250
    assert [b.name for b in books.lines[till.disk.lines[0].id]] == [till.disk.lines[0].id]
    assert books.labels == {till.disk.lines[0].id: ""}
    everything_once(books, till)


def test_a_restored_disk_that_sold_nothing_numbers_anew() -> None:
    books, till = shop(5)
    image = till.copied()
    arrive(books, till)
    assert image.settle(books) <= 4
    assert image.disk.lines[-1].label == "b" and image.disk.lines[-1].entries == []
    assert not any(v.opens for v in books.verdicts)
    assert [v.restored for v in books.verdicts].count(True) == 1
    arrive(books, image)
    everything_once(books, till, image)


def test_a_restored_disk_that_sold_again_becomes_a_branch_and_then_a_new_epoch() -> None:
    books, till = shop(5)
    image = till.copied()
    arrive(books, till, 3)
    sell(image, 2)
    assert image.settle(books) <= 5
    first, second = books.lines[till.disk.lines[0].id]
    assert (first.seq, second.seq, second.base, second.parent) == (8, 7, 5, first.name)
    assert image.disk.lines[-1].label == "b"
    everything_once(books, till, image)


def test_a_restored_disk_sends_no_more_than_it_must() -> None:
    """What the image had not known as sent, and had arrived since, costs nothing twice."""
    books, till = shop(5)
    sell(till, 4)
    image = till.copied()
    arrive(books, till, 4)
    arrive(books, image)
    branch = books.lines[till.disk.lines[0].id][1]
    assert (branch.base, branch.seq) == (9, 10)
    everything_once(books, till, image)


def test_the_news_of_a_fork_comes_again_where_its_answer_was_lost() -> None:
    books, till = shop(5)
    image = till.copied()
    arrive(books, till)
    image.sell()
    image.exchange(books)
    books.answer(image.request())
    assert books.verdicts[-1].opens
    image.settle(books)
    assert image.disk.lines[-1].label == "b"
    everything_once(books, till, image)


def test_an_image_from_before_the_first_sale() -> None:
    books, till = shop(0)
    image = till.copied()
    arrive(books, till)
    image.settle(books)
    assert image.disk.lines[-1].label == "b"


def test_an_image_of_an_image_of_an_image() -> None:
    books, till = shop(3)
    disks = [till]
    for _ in range(4):
        disks.append(disks[-1].copied())
    for disk in disks:
        disk.sell()
        disk.sell()
    for disk in disks:
        disk.settle(books)
    assert sorted(books.labels.values()) == ["", "b", "c", "d", "e"]
    everything_once(books, *disks)


# -- two tills from one disk


def test_a_copy_that_sold_nothing_steps_aside() -> None:
    books, till = shop(3)
    copy = till.copied()
    arrive(books, till)
    copy.settle(books)
    assert copy.disk.lines[-1].label == "b"
    till.settle(books)
    assert len(till.disk.lines) == 1  # the one that went on keeps its numbers


def test_a_copy_while_neither_sells_is_not_noticed_and_harms_nobody() -> None:
    books, till = shop(3)
    copy = till.copied()
    for _ in range(3):
        copy.settle(books)
        till.settle(books)
    assert len(till.disk.lines) == len(copy.disk.lines) == 1


def test_both_tills_sell_the_same_numbers() -> None:
    books, till = shop(3)
    copy = till.copied()
    for _ in range(4):
        till.sell()
        copy.sell()
    till.settle(books)
    copy.settle(books)
    assert set(till.printed[-4:]) == set(copy.printed)  # as printed before the split was known
    for disk in (till, copy):
        disk.sell()
        disk.settle(books)
    assert till.printed[-1] != copy.printed[-1]
    everything_once(books, till, copy)


def test_two_copies_begin_epochs_at_the_same_time() -> None:
    books, till = shop(3)
    copies = [till.copied(), till.copied()]
    for disk in (till, *copies):
        disk.sell()
    till.settle(books)
    for _ in range(12):  # exchange by exchange: each nonce is spent by the other one
        for copy in copies:
            copy.exchange(books)
    for disk in (till, *copies):
        disk.settle(books)
    assert sorted(books.labels.values()) == [
        "",
        "b",
        "c",
        "d",
    ]  # the one that stayed numbers anew too
    assert len(books.lines[till.disk.lines[0].id]) == 3
    everything_once(books, till, *copies)


def test_a_copy_that_takes_turns_with_the_original_is_heard() -> None:
    """Each spends the nonce of the other; as soon as one has nothing more to say the other gets through."""
    books, till = shop(3, batch=1)
    copy = till.copied()
    for _ in range(20):
        till.sell()
        copy.sell()
    for _ in range(200):
        for disk in (till, copy):
            if disk.has_work():
                disk.exchange(books)
    assert till.is_synced() and copy.is_synced()
    everything_once(books, till, copy)
