"""From a request's credentials to a principal."""

from taskfactory.admin.authentication.authenticator import Authenticator, Unauthenticated

__all__ = ["Authenticator", "Unauthenticated"]
