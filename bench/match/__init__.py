"""How fast events find their definitions: `make bench-match`.

`workload` generates definitions and events, `measure` takes the figures, `targets` says what they must be, and
`__main__` runs all three.
"""
