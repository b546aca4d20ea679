"""Benchmarks that users can run; each says what it measures and fails when a target is missed."""
