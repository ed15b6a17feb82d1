"""Traps A1, A3 and A4: phases that name too few, and markers that leave members out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import (
    ConnectionLost,
    LDAPResultError,
    MassDeletionHeld,
    NoSuchBase,
    ProtocolError,
    SyncreplError,
)
from syncrepl_client.testing import script
from tests.traps.laboratory import (
    APACHEDS,
    DS389,
    FOLLOW,
    NEWER,
    NUMBERED,
    ONCE,
    OPENLDAP,
    SUFFIX,
    UNKNOWN,
    Laboratory,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing import Step
    from syncrepl_client.testing.directory import Values
    from syncrepl_client.testing.script import Response
    from tests.traps.conftest import MakeLaboratory


# --- A1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("A1", server="scripted")
@both_modes
@pytest.mark.parametrize("flag", [None, False])
@pytest.mark.parametrize("root_dse", [UNKNOWN, OPENLDAP], ids=["unknown", "openldap"])
def test_what_nobody_named_is_gone_only_if_a_search_says_so(
    make: MakeLaboratory,
    mode: SyncreplMode,
    flag: bool | None,  # noqa: FBT001
    root_dse: Mapping[str, Values],
) -> None:
    lab = make(root_dse)
    lab.modify(2)
    lab.delete(3)
    lab.provider.script(lab.sent(2), refresh_end(mode, lab.provider.cookie, deletes=flag))

    with lab.asks(2):
        lab.run(mode)
    assert lab.requests[-1].cookie is None
    assert lab.numbers() == {1, 2, 4}

    lab.modify(1)
    lab.provider.script(lab.sent(1), refresh_end(mode, lab.provider.cookie, deletes=flag))
    with lab.asks(2):
        lab.run(mode)
    assert lab.numbers() == {1, 2, 4}
    lab.converges()


@pytest.mark.trap("A1", server="scripted")
@pytest.mark.parametrize("named", ["no set", "an empty set"])
def test_a_set_without_uuids_names_nobody(make: MakeLaboratory, named: str) -> None:
    lab = make(UNKNOWN)
    lab.modify(2)
    presents = [script.id_set([])] if named == "an empty set" else []
    lab.provider.script(*presents, lab.sent(2), refresh_end(ONCE, NEWER, deletes=None))

    with lab.asks(2):
        lab.run()
    assert lab.numbers() == {1, 2, 3, 4}


@pytest.mark.trap("A1", server="scripted")
def test_a_separator_without_a_present_phase_before_it_sweeps_nothing(make: MakeLaboratory) -> None:
    lab = make(UNKNOWN)
    lab.delete(3)
    lab.provider.script(
        script.refresh_present(done=False),
        script.id_set([lab.uuid(3)], deletes=True),
        refresh_end(ONCE, NEWER, deletes=True),
    )

    with lab.asks(1):
        lab.run()
    assert lab.numbers() == {1, 2, 4}


@pytest.mark.trap("A1", server="scripted")
@both_modes
@pytest.mark.parametrize(
    ("root_dse", "cookies"),
    [(DS389, [NUMBERED % 10, NUMBERED % 11, NUMBERED % 12]), (APACHEDS, [b"rid=1,csn=%d" % n for n in range(3)])],
    ids=["389", "apacheds"],
)
def test_updates_of_these_servers_never_sweep(
    make: MakeLaboratory, mode: SyncreplMode, root_dse: Mapping[str, Values], cookies: list[bytes]
) -> None:
    """Their own deletions are applied, and the entries that they do not mention stay."""
    lab = make(root_dse, copied=False)
    lab.provider.script(*[lab.sent(number) for number in range(1, 5)], refresh_end(ONCE, cookies[0], deletes=None))
    lab.run(verify_every=0)
    lab.modify(2)
    lab.delete(3)
    resumes = root_dse is DS389
    # ApacheDS is asked for everything, and then all that it sends is all there is.
    changes: list[Response] = [lab.sent(2)] if resumes else [lab.sent(1), lab.sent(2), lab.sent(4)]
    ends = [refresh_end(mode, cookies[1], deletes=None)] if resumes or mode is ONCE else [script.new_cookie(cookies[1])]
    gone = script.id_set([lab.uuid(3)], deletes=True, cookie=cookies[1])
    lab.provider.script(gone, *changes, *ends)

    # What there is beside, ApacheDS is asked by plain searches.
    with lab.asks(1):
        lab.run(mode, verify_every=0)

    assert lab.numbers() == {1, 2, 4}
    assert lab.cookies[1] == (cookies[0] if resumes else None)
    lab.converges()


# --- A3 ---------------------------------------------------------------------------------------------------------------

MANY = 120


@pytest.mark.trap("A3", server="scripted")
@both_modes
@pytest.mark.parametrize("named", [0, 1, MANY // 2])
@pytest.mark.parametrize("root_dse", [UNKNOWN, OPENLDAP], ids=["unknown", "openldap"])
def test_a_present_phase_that_names_too_few_deletes_nothing(
    make: MakeLaboratory, mode: SyncreplMode, named: int, root_dse: Mapping[str, Values]
) -> None:
    lab = make(root_dse, entries=MANY)
    lab.modify(1)
    lab.provider.script(
        *([script.id_set(lab.uuids(1, named))] if named else []),
        lab.sent(1),
        refresh_end(mode, lab.provider.cookie, deletes=False),
    )

    with lab.asks(2):
        lab.run(mode)

    assert lab.requests[-1].attributes == ("1.1",)
    assert len(lab.numbers()) == MANY
    lab.converges()


@pytest.mark.trap("A3", server="scripted")
def test_an_empty_content_is_confirmed_however_few_entries_there_were(lab: Laboratory) -> None:
    lab.provider.script(refresh_end(ONCE, NEWER, deletes=False))
    with lab.asks(2):
        lab.run()
    assert lab.numbers() == {1, 2, 3, 4}

    lab = Laboratory(lab.provider, lab.path)
    for number in range(1, 5):
        lab.delete(number)
    lab.provider.script(refresh_end(ONCE, lab.provider.cookie, deletes=False))
    lab.run()
    assert lab.numbers() == set()


@pytest.mark.trap("A3", server="scripted")
@both_modes
@pytest.mark.parametrize("named", [0, MANY // 2])
def test_a_provider_that_lies_twice_is_found_out_by_a_plain_search(
    make: MakeLaboratory, mode: SyncreplMode, named: int
) -> None:
    lab = make(entries=MANY)
    presents = [script.id_set(lab.uuids(1, named))] if named else []
    listed = [script.entry(lab.dn(number), {}, lab.uuid(number)) for number in range(1, named + 1)]
    lab.provider.script(*presents, refresh_end(mode, NEWER, deletes=False))
    lab.provider.script(*listed, refresh_end(ONCE, NEWER, deletes=True))

    with lab.asks(2):
        lab.run(mode)
    assert lab.numbers() == set(range(1, MANY + 1))


@pytest.mark.trap("A3", server="scripted")
@both_modes
@pytest.mark.parametrize("named", [0, MANY // 2])
def test_a_provider_that_has_lost_too_much_is_held(make: MakeLaboratory, mode: SyncreplMode, named: int) -> None:
    lab = make(entries=MANY)
    for number in range(named + 1, MANY + 1):
        lab.delete(number)
    rows, cookie, _ = lab.copy()
    presents = [script.id_set(lab.uuids(1, named))] if named else []
    listed = [script.entry(lab.dn(number), {}, lab.uuid(number)) for number in range(1, named + 1)]
    lab.provider.script(*presents, refresh_end(mode, NEWER, deletes=False))
    lab.provider.script(*listed, refresh_end(ONCE, NEWER, deletes=True))

    with lab.asks(2), pytest.raises(MassDeletionHeld) as held:
        lab.run(mode)

    assert (held.value.deletions, held.value.entries) == (MANY - named, MANY)
    assert "deletes list" in held.value.hint
    assert lab.copy() == (rows, cookie, [uuid.bytes for uuid in lab.uuids(named + 1, MANY)])
    for number in range(named + 1, MANY + 1):
        lab.add(number)
    lab.converges()


@pytest.mark.trap("A3", "A9", server="scripted")
@both_modes
@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([script.search_done(51)], LDAPResultError),
        ([script.search_done(32)], NoSuchBase),
        ([script.search_done(4096, "no")], LDAPResultError),
        ([script.search_done(4096, "no", script.sync_done(NEWER))], LDAPResultError),
        ([script.search_done()], ProtocolError),
        ([script.plain_entry(f"cn=e1,{SUFFIX}", {})], ProtocolError),
        ([script.cut()], ConnectionLost),
    ],
    ids=["busy", "no base", "refresh required", "refresh required with a cookie", "no Sync Done", "no state", "cut"],
)
@pytest.mark.parametrize("entries", [4, MANY])
def test_a_confirmation_that_fails_confirms_nothing(
    make: MakeLaboratory, mode: SyncreplMode, steps: Sequence[Step], kind: type[SyncreplError], entries: int
) -> None:
    lab = make(UNKNOWN, entries=entries)
    lab.provider.script(refresh_end(mode, NEWER, deletes=False))
    lab.provider.script(*steps)

    with lab.refused(kind, requests=2):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("A3", server="scripted")
def test_without_a_limit_a_lie_is_still_confirmed(make: MakeLaboratory) -> None:
    lab = make(UNKNOWN, entries=MANY)
    lab.provider.script(script.id_set(lab.uuids(1, 10)), refresh_end(ONCE, lab.provider.cookie, deletes=False))

    with lab.asks(2):
        lab.run(max_deletes=None)
    assert len(lab.numbers()) == MANY


# --- A4 ---------------------------------------------------------------------------------------------------------------

FLAGS = (None, False, True)
COOKIES = (None, b"", NEWER)


@pytest.mark.trap("A4", server="scripted")
@both_modes
@pytest.mark.parametrize("set_cookie", COOKIES)
@pytest.mark.parametrize("end_cookie", COOKIES)
@pytest.mark.parametrize("deletes", FLAGS)
def test_optional_members_of_each_message_are_found_by_their_tags(
    lab: Laboratory,
    mode: SyncreplMode,
    set_cookie: bytes | None,
    end_cookie: bytes | None,
    deletes: bool | None,  # noqa: FBT001
) -> None:
    """Entry 3 is gone: a set names it as deleted or all others as present, and the end says which of both it was."""
    cookie = lab.copy().cookie
    lab.delete(3)
    named = [lab.uuid(3)] if deletes else [lab.uuid(1), lab.uuid(2), lab.uuid(4)]
    last = {
        ONCE: script.search_done(0, "", script.sync_done(end_cookie, deletes=deletes)),
        FOLLOW: (script.refresh_delete if deletes else script.refresh_present)(
            end_cookie, done={None: None, False: True, True: None}[deletes]
        ),
    }
    lab.provider.script(script.id_set(named, deletes=deletes, cookie=set_cookie), last[mode])

    with lab.asks(1):
        lab.run(mode)
    assert lab.numbers() == {1, 2, 4}
    # Somebody swept entries and gave no cookie: see trap A5.
    assert lab.copy().cookie == (end_cookie or (cookie if deletes else None))


@pytest.mark.trap("A4", server="scripted")
@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("deletes", [False, True])
def test_the_end_of_a_phase_is_the_end_of_the_refresh_only_where_it_says_so(
    lab: Laboratory,
    flag: bool | None,  # noqa: FBT001
    cookie: bytes | None,
    deletes: bool,  # noqa: FBT001
) -> None:
    before = lab.copy()
    phase = (script.refresh_delete if deletes else script.refresh_present)(cookie, done=flag)
    # A second end of the refresh would be an error.
    last = [] if flag is not False else [script.refresh_delete(NEWER)]
    lab.provider.script(script.id_set(lab.uuids(1, 4)), phase, *last)

    lab.run(FOLLOW)
    assert lab.copy().rows == before.rows
    assert lab.copy().cookie == (NEWER if flag is False else cookie or before.cookie)


@pytest.mark.trap("A4", server="scripted")
def test_slapds_answer_that_nothing_changed_changes_nothing(lab: Laboratory) -> None:
    """``30 03 01 01 ff``: the flag without the cookie that stands before it otherwise."""
    assert script.sync_done(deletes=True).endswith(b"\x30\x03\x01\x01\xff")
    before = lab.copy()
    lab.provider.script(refresh_end(ONCE, None, deletes=True), refresh_end(ONCE, None, deletes=True))

    lab.run()
    assert before == lab.copy()
