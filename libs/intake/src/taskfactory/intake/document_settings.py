"""Limits of definition files, alike wherever they are read: by commands and by the API."""

from pydantic import Field

from taskfactory.definitions import DocumentLimits
from taskfactory.runtime.settings import SettingsBlock


class DocumentSettings(SettingsBlock):
    """How much may be validated or applied at once."""

    max_documents: int = Field(1_000, ge=1, le=100_000)
    """Definitions and topic mappings that are validated or applied together."""
    max_yaml_values: int = Field(50_000, ge=100, le=10_000_000)
    """Values of one document, aliases written out."""
    max_yaml_depth: int = Field(50, ge=10, le=100)
    """Levels of lists and mappings in a document."""

    @property
    def document_limits(self) -> DocumentLimits:
        """What reading is to heed."""
        return DocumentLimits(self.max_yaml_values, self.max_yaml_depth, self.max_documents)
