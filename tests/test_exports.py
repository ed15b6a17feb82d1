"""What each module offers: it exists, and nothing else is public."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

import pytest

import syncrepl_client

if TYPE_CHECKING:
    from types import ModuleType

MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(syncrepl_client.__path__, "syncrepl_client.")
    if not module.ispkg and not module.name.endswith("__main__")
]
MODULES.append(syncrepl_client)

# What passes between the layers and never reaches a program.
INTERNAL = {"syncrepl_client.exceptions.Interrupted"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_name_that_is_offered_exists(module: ModuleType) -> None:
    missing = [name for name in module.__all__ if not hasattr(module, name)]

    assert missing == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_class_and_function_is_offered(module: ModuleType) -> None:
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and f"{module.__name__}.{name}" not in INTERNAL
    }

    assert public <= set(module.__all__)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_everything_that_is_offered_says_what_it_is_for(module: ModuleType) -> None:
    assert module.__doc__
    own = [
        value
        for value in map(vars(module).get, module.__all__)
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    ]

    assert [value for value in own if not value.__doc__] == []


def test_no_module_has_a_private_name() -> None:
    private = [module.__name__ for module in MODULES if "._" in module.__name__]

    assert private == []
