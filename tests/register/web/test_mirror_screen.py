"""What the screens say of a mirror that fails."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stillopen.register import mirror as mirrors
from stillopen.register.linkview import LineState
from stillopen.register.serve import begin_mirror
from stillopen.register.store.mirror_files import mirror_in
from tests.register.web.conftest import Served, open_till
from tests.register.web.test_line import sell_one


def test_a_pulled_stick_is_told_and_its_return_too(
    page: Page, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "RETRY", 0.1)
    stick = tmp_path / "stick"
    stick.mkdir()
    begin_mirror(served.till, str(stick))
    open_till(page, served)
    served.line(LineState.OFFLINE, "unreachable")
    sell_one(page)
    expect(page.locator("#line")).not_to_contain_text("on this disk alone")
    found = mirror_in(stick)
    assert found is not None
    shutil.move(found, tmp_path / "away")
    sell_one(page)
    expect(page.locator("#line")).to_contain_text("1 entry is on this disk alone")
    page.goto(f"{served.url}/sync/status")
    told = page.locator("#body .note", has_text="neither sent nor mirrored")
    expect(told).to_contain_text("1 entry is")
    shutil.move(tmp_path / "away", found)
    expect(told).to_have_count(0)  # by itself
    page.goto(f"{served.url}/sync")
    expect(page.locator("#body")).to_contain_text("In step")
