"""The page that imports a register: upload, check, confirmation, result; in a browser without JavaScript."""

import socket
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.integration.console.browsing import Browser, Page, page_of

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[3] / "docs" / "how-to" / "import-a-register.csv"
ROWS = EXAMPLE.read_bytes()


def upload(browser: Browser, content: bytes, register: str, *, csrf: str | None = None) -> Page:
    """Send a file by the form of the page."""
    page = browser.open("/import")
    form = page.form("/import")
    assert form.method == "post"
    assert {"csrf", "file", "register"} <= form.names
    data = {"csrf": csrf or form.fields["csrf"][0], "register": register}
    files = {"file": ("cases.csv", content)} if content else {"file": ("", b"")}
    return page_of(browser.client.post(urljoin(page.url, form.action), data=data, files=files))


def test_a_register_is_checked_confirmed_and_imported_once(browser: Browser) -> None:
    """Nothing is recorded before the button is pressed; pressed twice, it imports once; uploaded again, it is there already."""
    browser.sign_in("SUPERVISOR-1")
    assert browser.open("/begin").links()["Import a register of referrals"] == "/import"
    checked = upload(browser, ROWS, "page")
    assert checked.heading == "Check of the register"
    assert checked.summary()["Can be imported"] == "3 rows"
    form = checked.form("/import/")
    done = browser.send(checked, form)
    assert done.heading == "Register imported"
    assert done.summary()["Imported"] == "3 rows"
    assert browser.send(checked, form).words == done.words
    again = upload(browser, ROWS, "page")
    assert again.summary()["There already"] == "3 rows"
    assert [one for one in again.forms() if "/import/" in one.action] == []


def test_what_is_wrong_is_listed_by_row_and_comes_back_in_the_table(browser: Browser) -> None:
    """The row with an error is left out of the import, named with column and remedy, and marked in the person's own table."""
    browser.sign_in("SUPERVISOR-1")
    rows = ROWS.replace(b"Doe", b"Moe").replace(b"Alex Roe", b"Alex Loe").replace(b"Sam Poe", b"Sam Low")  # others: N2
    wrong = rows.replace(b"Online safety", b"<b>Robin</b>")
    checked = upload(browser, wrong, "page with errors")
    assert checked.summary()["With errors"] == "1 row"
    assert "incident_type choose one of: Bullying or low-level assault" in checked.words
    assert "Robin" not in checked.words
    table = browser.client.get(urljoin(checked.url, checked.links()["Download your table with a column of errors"]))
    assert table.headers["content-disposition"] == 'attachment; filename="register.errors.csv"'
    lines = table.content.decode("utf-8-sig").splitlines()
    assert [line.endswith(",") for line in lines[1:]] == [True, True, False]
    done = browser.send(checked, checked.form("/import/"))
    assert (done.summary()["Imported"], done.summary()["With errors"]) == ("2 rows", "1 row")
    corrected = upload(browser, rows, "page with errors")
    assert (corrected.summary()["Can be imported"], corrected.summary()["There already"]) == ("1 row", "2 rows")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Choose the file of the register."),
        (b"nonsense\nx\n", "Nonsense: there is no such column"),
        (b"reference,source\n" + b"A1,x\n" * 501, "this page takes 500"),
    ],
)
def test_a_file_that_is_no_register_is_said(browser: Browser, content: bytes, said: str) -> None:
    """Given no file, or one that is no register, then the page says what to do, and its title begins with Error."""
    browser.sign_in("SUPERVISOR-1")
    page = upload(browser, content, "none")
    assert (page.status, page.title.startswith("Error: ")) == (422, True)
    assert said in page.words


def test_a_large_file_is_refused_unread(browser: Browser) -> None:
    """A file of more than a megabyte is answered with 413 and the way by the terminal."""
    browser.sign_in("SUPERVISOR-1")
    page = upload(browser, b"x" * 1_200_000, "large")
    assert page.status == 413


@pytest.mark.parametrize("path", ["/import", "/search", "/report/x/y"])
def test_nobody_who_has_not_signed_in_sends_a_body(browser: Browser, path: str) -> None:
    """Given a form of any length from somebody without a session, then a page leads to the sign-in before a byte of it is read."""
    address = urlsplit(browser.base)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nTransfer-Encoding: chunked\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()


def test_an_import_is_for_supervisors_and_its_draft_for_its_person(browser: Browser) -> None:
    """Another role is told so; another person finds no draft; a form of somebody else's session imports nothing."""
    browser.sign_in("SUPERVISOR-1")
    checked = upload(browser, ROWS, "private")
    assert upload(browser, ROWS, "private", csrf="x").status == 403
    browser.sign_in("SUPERVISOR-2")
    assert browser.open(checked.url).status == 410
    browser.sign_in("SAFE_SCHOOLS_OFFICER-1")
    assert browser.open("/import").status == 403
