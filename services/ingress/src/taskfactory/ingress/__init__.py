"""Kafka to Temporal: decode, match, start."""
