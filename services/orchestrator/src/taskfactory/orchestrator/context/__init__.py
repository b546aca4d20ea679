"""Context from outside: connections, what may be reached over them, and the steps that fetch values for runs.

Read first: `connections` (what operators allow), `fetching` (from a source to its value), `activities` (the steps).
"""
