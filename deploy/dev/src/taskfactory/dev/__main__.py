"""`python -m taskfactory.dev`: the same as `taskfactory dev`."""

from taskfactory.dev.cli import app

app(prog_name="taskfactory dev")
