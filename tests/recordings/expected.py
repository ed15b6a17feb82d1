"""What each recording holds, in words: for ``index.json``.

"Changes" are: cn=new added, cn=b modified, cn=c deleted, cn=d renamed to cn=renamed.  Live: cn=live added, cn=e
modified, cn=f renamed, cn=g moved to ou=groups, cn=a given a description that leaves the filter and one that enters it,
cn=h deleted, cn=last added.  Who records anew compares with what is printed: servers may have learnt.
"""

from __future__ import annotations

__all__ = ["CAME"]

_LIVE = (
    "live: live added, e modified, f renamed, g moved (both as modify), a gone, a back (as add), h gone, last added; "
    "each with a cookie"
)
_SLAPD = {
    "first-refresh": "all as add; at the end refreshDeletes TRUE and a cookie",
    "nothing-changed": "nothing; at the end refreshDeletes TRUE and no cookie",
    "foreign-cookie": "all as add, as without cookie; at the end refreshDeletes TRUE and a cookie of no octets",
    "persist": f"all as add, refreshDelete with a cookie; {_LIVE} of one CSN",
}

CAME = {
    "slapd": {
        **_SLAPD,
        "changes": "present phase: a syncIdSet names all there are, also what follows; b, renamed and new as add; at "
        "the end refreshDeletes FALSE and a cookie",
        "rejected-cookie": "a cookie newer than the provider: 53 without Sync Done",
    },
    "slapd-sessionlog": {
        **_SLAPD,
        "changes": "delete phase: a syncIdSet names c, with the old CSN and delcsn in its cookie; b, renamed and new "
        "as add; at the end refreshDeletes TRUE and a cookie",
        "rejected-cookie": "a cookie older than all entries, to a provider with syncprov-reloadhint: 4096 without Sync "
        "Done",
    },
    "389": {
        "first-refresh": "all as add; at the end refreshDeletes absent and a cookie",
        "nothing-changed": "nothing; at the end refreshDeletes absent, though nothing is present, and the same cookie",
        "changes": "a syncIdSet names c, and has the cookie of the end already; new, b and renamed as add; at the end "
        "refreshDeletes absent, though nothing was named present",
        "rejected-cookie": "a cookie of another host: 4096 without Sync Done",
        "persist": f"all as add, refreshDelete with a cookie; {_LIVE}",
    },
    "389-compat": {
        "first-refresh": "asked with rid=001: all as add, by entryUUID; at the end refreshDeletes TRUE and a cookie "
        "like slapd's",
        "nothing-changed": "nothing; at the end refreshDeletes TRUE and the same cookie",
        "changes": "a syncIdSet names c, and has the cookie of the end already; new, b and renamed as add; at the end "
        "refreshDeletes TRUE",
        "rejected-cookie": "a cookie of the same product when it does not speak so: 4096 without Sync Done",
        "persist": "refused: 53 without Sync Done",
    },
    "apacheds": {
        "first-refresh": "all as add, with all operational attributes; at the end refreshDeletes absent and a cookie",
        "nothing-changed": "nothing; at the end refreshDeletes absent, though nothing is present, and an older cookie",
        "changes": "new as add, c as delete; that b was modified and d renamed is missing; at the end refreshDeletes "
        "absent, though nothing was named present",
        "rejected-cookie": "a replica ID that was never given: 4096 with a Sync Done that is empty",
        "persist": "all as add; the refresh ends with a newcookie only; live: live added, h gone, last added; what "
        "happened to e, f, g and a is missing",
    },
}
