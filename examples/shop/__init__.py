"""An example shop: definitions, handlers, a child workflow, events, and a demo that sends them all the way."""
