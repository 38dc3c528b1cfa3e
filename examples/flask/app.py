"""A cart in Flask, in the session that the visitor has on the rest of the site.

Crossfade's edge stands in front and says with every request who it is from. That costs no call; the
session's data is one, and only for a page that wants it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crossfade import Conflict, Crossfade, InvalidContext, Selector, SessionEnded, Settings, Unavailable
from crossfade.context import HEADER, Context
from flask import Flask, Response, abort, g, jsonify, request

HANDOFF = "Crossfade-Session"  # by this header the edge gives the browser its new cookie
TRIES = 3  # of a write that somebody else was faster than


def create_app(settings: Mapping[str, Any]) -> Flask:
    """``settings``: API, NAME and SECRET_FILE, as in docs/python-services.md."""
    app = Flask(__name__)
    crossfade = Crossfade(Settings.from_mapping(settings))

    @app.before_request
    def recognise() -> None:
        try:
            g.visitor = crossfade.contexts.verify(request.headers.get(HEADER, ""))
        except InvalidContext:
            abort(403, "this service is reached through Crossfade")

    @app.get("/about/")
    def about() -> dict[str, Any]:
        visitor: Context = g.visitor
        return {"user": visitor.subject, "visitor": visitor.visitor}

    @app.get("/cart/")
    def show() -> dict[str, Any]:
        return {"user": g.visitor.subject, "cart": cart_of(crossfade, g.visitor)[0]}

    @app.post("/cart/")
    def add() -> Response:
        cart, handoff = put(crossfade, g.visitor, request.form["item"])
        response = jsonify({"cart": cart})
        if handoff:
            response.headers[HANDOFF] = handoff
        return response

    @app.errorhandler(SessionEnded)
    def ended(_: SessionEnded) -> tuple[dict[str, Any], int]:
        return {"error": "this session is over or has moved on: load the page again"}, 409

    @app.errorhandler(Unavailable)
    def unavailable(_: Unavailable) -> tuple[dict[str, Any], int, dict[str, str]]:
        return {"error": "the session service cannot be reached"}, 503, {"Retry-After": "5"}

    return app


def cart_of(crossfade: Crossfade, visitor: Context) -> tuple[list[str], int]:
    """The cart, and the session's version that it is of. A guest who stored nothing costs no call."""
    if visitor.session is None or visitor.unwritten:
        return [], 0
    found = crossfade.sessions.get(Selector(context=visitor.token))  # the context is the right to ask
    return json.loads(found.attributes.get("cart", "[]")), found.session.version


def put(crossfade: Crossfade, visitor: Context, item: str) -> tuple[list[str], str]:
    """Add to the cart and to nothing else; what is to be handed to the edge, if anything."""
    if visitor.read_only:
        raise SessionEnded("an old cookie, from before a login")
    for attempt in range(TRIES):
        cart, version = cart_of(crossfade, visitor)
        cart.append(item)
        seen = {"cart": version if len(cart) > 1 else 0}  # 0: nobody has put a cart there meanwhile
        try:
            written = crossfade.sessions.patch(
                Selector(context=visitor.token), {"cart": json.dumps(cart)}, if_version=seen
            )
            return cart, written.handoff
        except Conflict:
            if attempt == TRIES - 1:
                raise
    raise AssertionError
