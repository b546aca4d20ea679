"""One file for each kind of thing; each has a `router`, which `taskfactory.admin.app.ROUTERS` lists.

Endpoints are plain `def` functions, which run in threads, unless they wait for Temporal. What they raise from the
libraries becomes a problem in `taskfactory.admin.troubles`; what they find wrong themselves is a `Problem`.
"""
