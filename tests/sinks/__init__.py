"""Sinks with their real receivers."""
