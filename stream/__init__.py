"""segmenter: customer events in, segment changes out, exactly once."""

__version__ = "0.1.0"
