"""The page in a browser, where something goes wrong: files, tables, tokens, and a server that refuses.

Needs what `test_page.py` needs.
"""

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs rnnnlp[web]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.server.conftest import MARKUP, serving
from tests.server.test_page import opened

TOKEN = "a-token-of-some-length"
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
            drop.dataTransfer = { files: [folder], types: ["Files"] };
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


def test_a_file_that_was_corrected_can_be_chosen_again(page: Page):
    opened(page, "classify")
    page.set_input_files("#classify-file", {"name": "a.csv", "mimeType": "text/csv", "buffer": b"text\ngood\n"})
    expect(page.locator("#classify-status")).to_have_text("1 rows.")
    with page.expect_file_chooser():
        page.click("#classify-file")
    assert page.input_value("#classify-file") == ""  # else the browser would see no change


def test_text_can_be_dragged_into_a_field(page: Page):
    opened(page, "classify")
    taken = page.evaluate(
        """() => ["text/plain", "Files"].map((kind) => {
            const transfer = new DataTransfer();
            if (kind === "Files") transfer.items.add(new File(["good"], "a.txt"));
            else transfer.setData(kind, "good");
            return ["#classify-input", "#classify-paste"].map((place) => {
                const drag = new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true });
                document.querySelector(place).dispatchEvent(drag);
                return drag.defaultPrevented;
            });
        })"""
    )
    assert taken == [[False, False], [True, True]]


def test_the_error_of_another_action_stays(page: Page):
    opened(page, "classify")
    page.fill("#classify-paste", 'text,title\n"good,x\n')
    expect(page.locator("#message")).to_contain_text("a quotation mark is not closed")
    page.fill("#classify-input", "a good film")
    expect(page.locator("#classify-result")).to_contain_text("Prediction: ")
    expect(page.locator("#message")).to_contain_text("a quotation mark is not closed")
    page.fill("#classify-paste", "text,title\ngood,x\n")
    expect(page.locator("#message")).to_be_hidden()
    page.evaluate("window.fetch = () => new Response(JSON.stringify({ error: 'no more' }), { status: 429 })")
    page.fill("#classify-input", "a bad film")
    expect(page.locator("#message")).to_have_text("no more")
    page.fill("#classify-paste", "text,title\ngood,x\nbad,y\n")
    expect(page.locator("#classify-status")).to_have_text("2 rows.")
    expect(page.locator("#message")).to_have_text("no more")


def test_an_error_goes_when_the_server_answers_again(page: Page):
    page.evaluate(
        """() => {
            const real = window.fetch;
            const isDown = (url) => String(url).includes(window.down);
            window.fetch = (url, given) => (isDown(url) ? Promise.reject(new Error()) : real(url, given));
            window.down = "/v1/models";
        }"""
    )
    opened(page, "classify")  # the models that were there can be used
    page.fill("#classify-input", "a good film")
    expect(page.locator("#classify-result")).to_contain_text("Prediction: ")
    expect(page.locator("#message")).to_be_hidden()
    page.evaluate("window.down = '/v1/'")
    opened(page, "watch")
    expect(page.locator("#message")).to_contain_text("The server does not answer")
    page.evaluate("window.down = 'nothing'")
    expect(page.locator("#message")).to_be_hidden()
    page.evaluate("window.down = '/v1/'")
    page.locator("#watch-runs input").first.click()
    expect(page.locator("#watch-settings th")).to_have_count(3)  # of the other two
    expect(page.locator("#message")).to_contain_text("The server does not answer")
    page.evaluate("window.down = 'nothing'")
    expect(page.locator("#message")).to_be_hidden()


def test_an_error_that_two_actions_have_is_taken_back(page: Page):
    hidden = page.evaluate(
        """async () => {
            const { $, latest } = await import("/page/tools.js");
            let wrong = true;
            const action = async () => { if (wrong) throw new Error("no more"); };
            const [one, other] = [latest(action), latest(action)];
            await one();
            await other();
            const before = $("message").hidden;
            wrong = false;
            await one();
            return [before, $("message").hidden];
        }"""
    )
    assert hidden == [False, True]


def test_a_run_that_cannot_be_read_does_not_hide_the_others(page: Page):
    page.evaluate(
        """() => {
            const real = window.fetch;
            const refused = () => new Response('{"error": "it is damaged"}', { status: 422 });
            window.fetch = (url, given) => (String(url).endsWith("run?name=book") ? refused() : real(url, given));
        }"""
    )
    opened(page, "watch")
    expect(page.locator("#watch-settings th")).to_have_count(3)  # of `films` and `odd`
    expect(page.locator("#message")).to_have_text("it is damaged")


def test_models_that_come_later_can_be_chosen(page: Page):
    page.evaluate(
        """() => {
            const real = window.fetch;
            window.fetch = async (url, given) => {
                const answer = await real(url, given);
                if (!String(url).endsWith("/v1/models")) return answer;
                const content = await answer.json();
                content.models.push({ name: "late", kind: "classifier", labels: ["a", "b"] });
                return new Response(JSON.stringify(content));
            };
        }"""
    )
    page.evaluate("document.querySelector('#classify-model').value = 'odd'")
    opened(page, "classify")
    expect(page.locator("#classify-model option")).to_have_text(["films", "odd", "late"])
    expect(page.locator("#classify-model")).to_have_value("odd")


def test_models_that_come_and_go(page: Page):
    served: list[str] = []

    def some(route: Route) -> None:
        answer = route.fetch()
        content: dict[str, Any] = answer.json()
        content["models"] = [model for model in content["models"] if model["name"] in served]
        route.fulfill(response=answer, json=content)

    page.route("**/v1/models", some)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    for view in ("classify", "write"):
        opened(page, view)
        expect(page.locator(f"#{view}-model-none")).to_contain_text("No such model is served.")
    served.extend(["films", "odd", "book"])
    opened(page, "classify")
    for view in ("classify", "write"):
        expect(page.locator(f"#{view}-model-none")).to_be_hidden()
    expect(page.locator("#classify-label option")).to_have_text(["(the most probable label)", "bad", "good"])
    page.fill("#classify-input", "a good film")
    expect(page.locator("#classify-result")).to_contain_text("Prediction: ")
    served.remove("films")
    opened(page, "write")
    expect(page.locator("#classify-model")).to_have_value("odd")
    expect(page.locator("#classify-label option")).to_contain_text([MARKUP])
    expect(page.locator("#classify-result .bars")).to_contain_text(MARKUP)


def test_the_page_works_where_the_browser_keeps_nothing(page: Page, address: str):
    page.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"]) {
            Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
        }"""
    )
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.select_option("#theme", "dark")
    expect(page.locator("html[data-theme='dark']")).to_have_count(1)
    page.goto(f"{address}/#token=a-token")
    expect(page).not_to_have_url(re.compile("#"))
    kept = "import('/page/tools.js').then(m => m.recall('sessionStorage', 'token'))"
    assert page.evaluate(kept) == "a-token"


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


@pytest.mark.parametrize(
    ("place", "asked"), [(f"#token={TOKEN}", []), ("", ["This server needs a token. Please enter it:"])]
)
def test_the_page_of_a_server_with_a_token(place: str, asked: list[str], browser: Browser, runs: Path):
    dialogs: list[str] = []

    def answer(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.accept(TOKEN)

    with serving(str(runs / "films"), token=TOKEN) as address, browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.on("dialog", answer)
        page.goto(f"{address}/{place}")
        page.wait_for_selector("html[data-ready]")
        opened(page, "classify")
        page.fill("#classify-input", "a good film")
        expect(page.locator("#classify-result")).to_contain_text("Prediction: ")
        assert dialogs == asked
        assert TOKEN not in page.url


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


def test_a_token_that_was_given_meanwhile_is_taken(page: Page):
    answers = page.evaluate(
        """async () => {
            const { ask } = await import("/page/tools.js");
            const statusOf = ({ authorization }) => (authorization === "Bearer new" ? 200 : 401);
            window.fetch = async (url, { headers }) => new Response("{}", { status: statusOf(headers) });
            window.prompt = () => { window.asked = (window.asked ?? 0) + 1; return "new"; };
            return Promise.all([ask("/v1/runs"), ask("/v1/models")]);
        }"""
    )
    assert answers == [{}, {}]
    assert page.evaluate("window.asked") == 1


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
