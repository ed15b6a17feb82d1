"""Sinks beside the libraries that they use; see ``__main__``.

Each module whose name is that of a sink has a function ``contender()``: it starts the receiver and gives a `Contender`
until the receiver is to be stopped.  The other modules are the measurement.
"""
