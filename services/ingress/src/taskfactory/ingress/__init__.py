"""Kafka to Temporal: decode, match, start.

Reading order: `decisions` (what follows from a record), `pipeline` (making it durable), `offsets` and `consumer` (what
may be committed, and when), `service` (how it is put together).
"""
