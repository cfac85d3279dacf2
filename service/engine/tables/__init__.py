"""Tables: an upload becomes one canonical, typed, memory-mapped file, which is read unparsed."""
