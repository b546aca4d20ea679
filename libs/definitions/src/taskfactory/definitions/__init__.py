"""Activity definitions: model, matching, expressions, templates, dedupe keys. Pure."""
