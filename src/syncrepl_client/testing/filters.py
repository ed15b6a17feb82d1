"""Filters as the provider evaluates them: it has no schema, so values are compared without regard to case."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from syncrepl_client.ldap.default_rules import DefaultRules
from syncrepl_client.ldap.evaluation import evaluator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client.ldap.evaluation import Evaluator
    from syncrepl_client.ldap.filter import Filter

__all__ = ["matches"]


def matches(filter_: Filter, attributes: Mapping[str, list[bytes]], dn: str) -> bool:
    """Tell whether a filter finds an entry."""
    return _compiled(filter_)(attributes, dn) is True


@lru_cache(maxsize=256)
def _compiled(filter_: Filter) -> Evaluator:
    return evaluator(filter_, DefaultRules())
