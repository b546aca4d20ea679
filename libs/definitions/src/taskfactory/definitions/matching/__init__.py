"""The EventBridge pattern language: what an event must look like to be taken.

One pattern: `pattern_parser` and `operands` read it, `operators` decide about one leaf, `arrays` about which leaves may
be combined, `clauses` puts them together, `flatten` turns an event into leaves, `pattern` is what others use.

Many patterns: `anchors` says under which keys a clause can be found, `tables` and `ranges` look keys up, `bucket` files
the branches that belong together and lets `clauses` decide about what it finds, `index` has a bucket for each type.
"""
