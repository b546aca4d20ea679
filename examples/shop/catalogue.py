"""Facts about the shop that its handlers and its customers share."""

from typing import Final

IN_STOCK: Final = ("CHAIR", "DESK", "LAMP-BLUE", "MUG", "NOTEBOOK", "PEN", "PLANT", "RUG", "SHELF", "STOOL")
SOLD_OUT: Final = ("LAMP-RED",)
"""Articles that nobody will ever get."""
FORGETFUL_MAIL_DOMAIN: Final = "@forgetful.example"
"""A mail server that takes a mail and hangs up before it says so, once per mail."""
