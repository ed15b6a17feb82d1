"""Sinks: who gets the changes; each is one file, and none knows another."""
