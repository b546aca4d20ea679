"""The EventBridge pattern language: what an event must look like to be taken.

`flatten` turns an event into leaves, `operators` decide about one leaf, `arrays` about which leaves may be combined,
`pattern_parser` reads patterns, `pattern` puts them together.
"""
