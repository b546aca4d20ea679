"""The wire: event envelopes, their codecs, and helpers to produce and subscribe."""
