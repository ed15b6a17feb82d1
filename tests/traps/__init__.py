"""The traps of content synchronization: what servers do that makes a client lose or invent changes.

Each has a test for each kind of server that it can be seen on, marked with its name and the server's.  The table in the
documentation shows which of them ran, and how they ended.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SERVERS", "TRAPS"]

SERVERS: Final = {
    "slapd": "OpenLDAP",
    "slapd-log": "OpenLDAP with session log",
    "slapd-two": "OpenLDAP, two providers",
    "389": "389 Directory Server",
    "freeipa": "389 with the changelog of one suffix",
    "apacheds": "ApacheDS",
    "scripted": "scripted provider",
}
"""The servers by the names that tests give them."""

TRAPS: Final = {
    "A1": "the end of an update claims a present phase that never was",
    "A2": "a refresh that ended early looks complete",
    "A3": "a present phase names too few entries",
    "A4": "optional members of a control are left out, each in each combination",
    "A5": "a provider that lags lacks what the copy has",
    "A6": "a cookie meets other parameters",
    "A7": "a server without synchronization answers with a plain result",
    "A8": "a server that wants a full refresh leaves nothing in the meantime",
    "A9": "an error looks like an empty content",
    "B1": "a first refresh over an old copy says that nothing more is gone",
    "B2": "a cookie of no length is stored",
    "B3": "a cookie without a change number is stored",
    "B4": "a subtree is moved out, and only its top is told of",
    "B5": "an entry leaves the filter, and nobody says so",
    "B6": "each 51st deletion is lost",
    "B7": "the changelog was trimmed, and the update says success",
    "B8": "the changelog covers one suffix, and cookies are garbage",
    "B9": "an entry that was added and deleted cancels out",
    "B10": "a provider never reports deletions",
    "B12": "rights change what an identity sees",
    "C1": "a cookie comes before the changes that it covers",
    "C2": "the server's own id in the cookie makes another one withhold changes",
    "C3": "cookies of two providers are merged over a refresh",
    "C4": "an entry is named as present that is not here",
    "C5": "the first change of each entry is lost",
    "C6": "Abandon ends more than the search",
    "C7": "a change falls between refresh and persist stage",
    "C8": "a slow reader loses changes",
    "C9": "an error in applying a change is passed over",
    "C10": "a cookie of one change holds one change number of several",
    "C12": "the identity may not read the change numbers",
    "D1": "names are swapped or go round in a circle",
    "D2": "an entry is made anew under its old name",
    "D3": "entries below a renamed one are not told of",
    "D4": "a renamed container is hidden by the filter",
    "D5": "one name is spelled in several ways",
    "D6": "a state that RFC 4533 does not know",
    "D7": "a deletion comes with an empty, old or new name",
    "D8": "a UUID comes back",
    "D9": "all UUIDs are other ones",
    "D10": "a referral object becomes an entry and the other way round",
    "D11": "two entries have one name for a moment",
    "E1": "the end of the refresh never comes",
    "E2": "a full refresh is asked for again and again",
    "E3": "the search cannot be ended by Cancel",
    "E4": "other attributes come than were asked for",
    "E5": "a long present phase",
    "E6": "an entry is deleted that was never here",
    "E7": "controls come in any order, also on errors",
    "E9": "the connection is cut",
    "E10": "the peer is dead and says nothing",
    "E11": "the base is renamed or deleted",
    "E12": "too many persistent searches",
    "E13": "a provider forgot its latest changes",
    "E14": "a change changes nothing",
    "E15": "changes of a refresh come in no order",
    "E16": "an entry has no UUID",
}
"""What each trap is, by its name."""
