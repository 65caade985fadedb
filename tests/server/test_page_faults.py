"""The page in a browser, where something goes wrong: files, tables, tokens, and a server that refuses.

Needs what `test_page.py` needs.
"""

import re
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs rnnnlp[web]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import Page, Route, expect

from tests.server.test_page import opened

ASK = "import('/page/tools.js').then(m => m.ask('/v1/runs')).then(() => '', error => error.message)"


def test_a_file_that_cannot_be_read_is_named(page: Page):
    opened(page, "classify")
    message, status = page.locator("#message"), page.locator("#classify-status")
    for content, reason in (
        ("text,label\nschön,x\n".encode("cp1252"), "a.csv is not UTF-8 text. Save it as UTF-8"),
        (b"text,label\ngood,pos\nso good, really,pos\n", "Line 3: 3 fields, but the header has 2"),
        (b'text,label\ngood,pos\n"bad,neg\n', "Line 3: a quotation mark is not closed"),
    ):
        page.set_input_files("#classify-file", {"name": "a.csv", "mimeType": "text/csv", "buffer": content})
        expect(message).to_contain_text(reason)
        expect(status).to_have_text("0 rows.")
        expect(page.locator("#classify-all")).to_be_disabled()
    utf16 = "\ufefftext,label\nschön,x\n".encode("utf-16-le")
    page.set_input_files("#classify-file", {"name": "a.csv", "mimeType": "text/csv", "buffer": utf16})
    expect(status).to_have_text("1 rows.")
    expect(message).to_be_hidden()
    page.evaluate(
        """() => {
            const folder = { name: "films", size: 4096, arrayBuffer: () => Promise.reject(new Error("a folder")) };
            const drop = new Event("drop", { bubbles: true });
            drop.dataTransfer = { files: [folder] };
            document.querySelector("#classify-drop").dispatchEvent(drop);
        }"""
    )
    expect(message).to_have_text("films cannot be read. Choose a file, not a folder.")


def test_what_is_classifyd_stays_when_a_part_is_refused(page: Page):
    opened(page, "classify")
    page.select_option("#classify-model", "films")
    page.evaluate(
        """() => {
            const real = window.fetch;
            let parts = 0;
            const refused = () => new Response(JSON.stringify({ error: "no more" }), { status: 429 });
            const isLate = (url) => url.includes("predict") && ++parts > 1;
            window.fetch = (url, given) => (isLate(String(url)) ? refused() : real(url, given));
        }"""
    )
    page.fill("#classify-paste", "text,title\n" + "a good film,x\n" * 150)
    expect(page.locator("#classify-status")).to_have_text("150 rows.")
    page.click("#classify-all")
    expect(page.locator("#message")).to_have_text("no more")
    expect(page.locator("#classify-status")).to_have_text("100 of 150 classified.")
    expect(page.locator("#classify-rows tbody tr")).to_have_count(100)
    expect(page.locator("#classify-save")).to_be_enabled()


def test_a_text_that_is_too_long_is_named_by_its_row(page: Page):
    opened(page, "classify")
    page.fill("#classify-paste", "text,title\n" + "fine,x\n" * 120 + "a" * 100_001 + ",y\n")
    expect(page.locator("#classify-status")).to_have_text("121 rows.")
    page.click("#classify-all")
    expect(page.locator("#message")).to_contain_text("Row 121 of the table: the text has more than 100000 characters")


def test_a_token_comes_from_the_address(page: Page, address: str):
    kept = "sessionStorage.getItem('token')"
    opened(page, "classify")
    page.goto(f"{address}/#token=a+b%25%26c")  # the page stays: only what is after # changes
    expect(page).not_to_have_url(re.compile("#"))
    assert page.evaluate(kept) == "a+b%&c"
    page.goto(f"{address}/#token=%C3%A9%C3%A9")
    expect(page).not_to_have_url(re.compile("#"))
    assert page.evaluate(kept) == "a+b%&c"  # a header cannot have the other one
    expect(page.locator("#message")).to_be_hidden()


def test_a_token_is_asked_for_once(page: Page):
    page.evaluate(
        """() => {
            window.fetch = () => new Response('{"error": "no token"}', { status: 401 });
            window.prompt = () => { window.asked = (window.asked ?? 0) + 1; return window.given ?? null; };
        }"""
    )
    assert [page.evaluate(ASK) for _ in range(3)] == ["no token"] * 3
    assert page.evaluate("window.asked") == 1
    page.click("h1")
    page.evaluate("window.given = 'pass word'")
    assert "no space" in page.evaluate(ASK)
    assert page.evaluate("[window.asked, sessionStorage.getItem('token')]") == [2, None]


def test_an_error_without_a_message_is_shown(page: Page):
    page.evaluate("window.fetch = () => new Response('', { status: 502 })")
    assert page.evaluate(ASK) == "HTTP 502"


@pytest.mark.parametrize(("most", "shown"), [(120, "100"), (30, "30"), (10_000, "500")])
def test_the_length_that_is_shown_is_sent(page: Page, most: int, shown: str):
    def limited(route: Route) -> None:
        answer = route.fetch()
        content: dict[str, Any] = answer.json()
        content["limits"]["max_length"] = most
        route.fulfill(response=answer, json=content)

    page.route("**/v1/models", limited)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    opened(page, "write")
    expect(page.locator("output[for='write-sliders-length']")).to_have_text(shown)
    expect(page.locator("#write-sliders-length")).to_have_value(shown)
