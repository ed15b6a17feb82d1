"""How Sphinx builds the documentation: offline, and every unknown reference is an error."""

from __future__ import annotations

import builtins
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parent))
import configuration_tables
import metrics_table
import mutation_table
import trap_table

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

configuration_tables.write()
metrics_table.write()
mutation_table.write()
trap_table.write()

project = "syncrepl_client"
author = "the syncrepl_client authors"
project_copyright = f"2026, {author}"
version = release = installed_version("syncrepl")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = True
html_theme = "alabaster"
html_theme_options = {"description": "A local copy of an LDAP directory", "fixed_sidebar": True}

autodoc_member_order = "bysource"
autodoc_typehints_format = "fully-qualified"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Other projects' inventories would have to be fetched, so their names cannot be resolved; ours must be.
_foreign = "|".join(map(re.escape, sorted([*sys.stdlib_module_names, "click", "msgspec", "rich"])))
_builtin = "|".join(map(re.escape, dir(builtins)))
nitpick_ignore_regex = [
    ("py:.*", rf"(?:{_foreign})(?:\..*)?"),
    ("py:.*", rf"(?:{_builtin})"),
    # Names that a module imports for its annotations alone, and that have no entry.
    (
        "py:class",
        r"UUID|Path|Control|Credentials|Timeouts|LDAPUrl|(?:syncrepl_client\.client\.)?Client|SupportsUnparse",
    ),
    # What those that programs use are made of, and nobody else's business.
    ("py:class", r"Opened|Definition|SupportsIsSet|T"),
    # Where a default is a function, Sphinx takes the signature for words between commas and brackets.
    ("py:class", r"Callable\[\[\]"),
    # The steps of a script are made by its functions; what they are made of is nobody's business.
    ("py:class", r"Step|Values|Response|syncrepl_client\.testing\.(?:script|wire)\.\w+"),
]


def find_by_last_name(
    app: Sphinx,
    env: BuildEnvironment,
    node: pending_xref,
    content: Any,  # noqa: ANN401 - a node of docutils, which has no types
) -> Any:  # noqa: ANN401 - another one, or None
    """Find what an annotation names as a module does that imports the name for annotations alone."""
    target = node["reftarget"]
    if node.get("refdomain") != "py" or "." in target:
        return None
    found = {
        entry.node_id: (name, entry)
        for name, entry in env.domains.python_domain.objects.items()
        if name.rpartition(".")[2] == target and entry.objtype in {"class", "data"}
    }
    if len(found) != 1:
        return None
    ((name, entry),) = found.values()
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, name)


def setup(app: Sphinx) -> None:
    """Extend Sphinx."""
    app.connect("missing-reference", find_by_last_name)
