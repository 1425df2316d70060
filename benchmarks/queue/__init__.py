"""The line: how it costs the same at a million people as at a thousand."""
