"""Tests of the service and of what operators see of it."""
