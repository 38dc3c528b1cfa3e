"""The two kinds of ``request.session``: ``new`` is backed by the session API, ``legacy`` by the site's
own engine."""
