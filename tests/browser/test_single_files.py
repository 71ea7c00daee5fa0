"""The desk lives on the single files of development as it does on the joined ones of production, which all other tests
of pages use."""

import pytest
from playwright.sync_api import expect

from tests.world import answer, write

pytestmark = pytest.mark.browser


@pytest.fixture
def static_files():
    """As the settings of tests have them."""


def test_the_desk_lives_on_the_single_files_of_development(site, desk_of):
    one = write(site.channel, "where is my parcel", site.cast.support)
    page = desk_of(site.cast.ana).open(f"/conversations/{one.pk}/?view=support")
    assert page.locator("script[src]").count() > 20
    assert page.evaluate("getComputedStyle(document.querySelector('.row')).display") != "block"
    answer(site.channel, one, "are you there?")
    expect(page.locator("#messages")).to_contain_text("are you there?")
    page.keyboard.press("c")
    expect(page.locator("form[data-act=release] button")).to_be_visible()
