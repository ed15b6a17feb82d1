"""Streams of bytes to a server."""
