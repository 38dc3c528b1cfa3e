"""Crossfade in Django: a session middleware that serves each visitor from the system that governs
them, and the bridge endpoints through which sessions are handed over."""
