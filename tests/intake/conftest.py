"""The same installation as ingress's tests have."""

from tests.ingress.conftest import site, temporal, wide_site

__all__ = ["site", "temporal", "wide_site"]
