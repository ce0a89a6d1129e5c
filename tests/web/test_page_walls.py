"""P7 on every page: an id of another company's is answered as one that never was, and no page names anything of theirs.

The pages are those of the dashboard and the one behind a message's link, as they are mounted, so a new one is tried by
itself: with every foreign id in its path, and with foreign ids in every filter that a page reads.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from roony.core.audit import AuditRecord
from roony.web import approval_page, dashboard
from roony.web.dashboard import audit
from tests.support.serving import ServedRoony, serve
from tests.web.test_rule_pages import Visitor
from tests.web.test_walls import Ids, Town, everything, settle

PARAMETER = re.compile(r"\{\w+(:path)?\}")
PAGES = [route for part in dashboard.PARTS for route in part.routes() if route.methods == {"GET"}]
# For nobody in particular: a style sheet, a way in.
OPEN = re.compile(r"^/(static/|sign-in|welcome|first-run|favicon)|\.(js|css|svg|png|ico|webmanifest)$")
MINE = [route for route in PAGES if not OPEN.search(route.path)]
WITH_ID = [route for route in MINE if PARAMETER.search(route.path)]
LISTS = [route for route in MINE if not PARAMETER.search(route.path)]


def filters() -> list[str]:
    """Every name that a page reads from its address."""
    source = "".join(inspect.getsource(part) for part in dashboard.PARTS)
    return sorted({*re.findall(r'view\.filter\("(\w+)"', source), *audit.FILTERS})


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("page-walls")) as served:
        yield served


@pytest.fixture(scope="module")
def towns(roony: ServedRoony) -> tuple[Town, Town]:
    return settle(roony, "Here"), settle(roony, "There")


@pytest.fixture(scope="module")
def visitor(roony: ServedRoony, towns: tuple[Town, Town]) -> Visitor:
    return Visitor(roony, towns[0].company, "owner")


def all_of(ids: Ids) -> list[str]:
    return sorted({id for some in ids.values() for id in some})


def at(route: Route, id: str) -> str:
    return PARAMETER.sub(id, route.path)


def test_every_page_is_looked_at() -> None:
    assert len(WITH_ID) >= 10
    assert len(LISTS) >= 20
    assert {"agent", "project", "purchase", "search", "subject"} <= set(filters())


@pytest.mark.parametrize("route", WITH_ID, ids=lambda route: route.path)
def test_a_foreign_id_is_as_if_it_never_was(
    roony: ServedRoony, towns: tuple[Town, Town], visitor: Visitor, route: Route
) -> None:
    here, there = (all_of(town.ids) for town in towns)
    before = everything(roony)
    for id in there:
        # A task is called by its agent's id in a page that says there is none.
        owner, _, _ = id.partition(":")
        none = id.replace(owner, f"{owner[:-4]}zzzz")
        answer, never = visitor.get(at(route, id)), visitor.get(at(route, none))
        assert (answer.status_code, never.status_code) == (404, 404), at(route, id)
        assert answer.text.replace(owner, "ID") == never.text.replace(f"{owner[:-4]}zzzz", "ID")
    assert everything(roony) == before
    # It is the id that was refused: the page is there for one's own.
    assert 200 in {visitor.get(at(route, id)).status_code for id in here}


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
def test_no_page_names_what_is_not_of_ones_own(towns: tuple[Town, Town], visitor: Visitor, route: Route) -> None:
    """A filter may come back as it was given, and nothing it leads to."""
    there = towns[1]
    foreign = all_of(there.ids)
    addresses = [(route.path, "")]
    named = {"agent": ["agents"], "project": ["projects"], "purchase": ["purchases"]}
    for name in filters():
        ids = all_of({one: there.ids[one] for one in named.get(name, ["agents", "approvals", "purchases"])})
        addresses += [(f"{route.path}?{name}={id}", id) for id in ids]
    for address, given in addresses:
        answer = visitor.get(address)
        assert answer.status_code in (200, 303, 404), (address, answer.status_code)
        assert not [id for id in foreign if id not in given and id in answer.text], address


def test_the_link_of_a_message_leads_nobody_to_another_companys_approval(
    roony: ServedRoony, towns: tuple[Town, Town], visitor: Visitor
) -> None:
    here, there = towns
    [approval] = there.ids["approvals"]
    path = approval_page.LINK_PATH.format(id=approval)
    before = roony.books.row(AuditRecord, organization_id=there.company.id, sequence=1), everything(roony)
    assert visitor.get(path).status_code == 200
    for do in ("look", "approve", "deny"):
        form = {"key": str(here.company.owner.key), "do": do, "amount": "1.00"}
        answer = roony.caller().call("POST", path, data=form)
        assert answer.status_code == 404, answer.text
        assert "Figma" not in answer.text
    assert (roony.books.row(AuditRecord, organization_id=there.company.id, sequence=1), everything(roony)) == before
