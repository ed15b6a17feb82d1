"""A long run of everything at once, with troubles of every kind at random moments; see docs/architecture.rst.

    python -m tests.soak --seconds 1200 --seed 7

Two slapd that replicate each other, a 389 Directory Server, a service with three sinks and four clients; histories
that never end are written to the directories, and all that may happen to servers, lines, disks, clocks and processes
happens.  After each round everything comes to rest: then each copy is its directory, all that was told leads to it, and
nothing has grown.

``chapters``, ``plan``: what will happen, made of a seed alone.  ``stage``, ``programs``, ``clients``: who takes part.
``pen``, ``troubles``, ``line_troubles``, ``deletions``: what is done to them.  ``examination``, ``told``, ``vitals``,
``excuses``: what must be so afterwards.
``run`` does all of that, ``smaller`` looks for less that fails as well.
"""
