"""A cart in FastAPI, in the session that the visitor has on the rest of the site.

Crossfade's edge stands in front and says with every request who it is from. That costs no call; the
session's data is one, and only for a page that wants it.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from crossfade import Conflict, Crossfade, InvalidContext, Selector, SessionEnded, Settings, Unavailable
from crossfade.context import HEADER, Context
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse

HANDOFF = "Crossfade-Session"  # by this header the edge gives the browser its new cookie
TRIES = 3  # of a write that somebody else was faster than


def create_app(settings: Mapping[str, Any]) -> FastAPI:
    """``settings``: API, NAME and SECRET_FILE, as in docs/python-services.md."""
    app = FastAPI()
    crossfade = Crossfade(Settings.from_mapping(settings))

    # Written with "def" and not "async def": FastAPI runs them in threads, so that a call to Crossfade never
    # holds up the event loop. Each thread keeps its connection.
    def recognise(context: Annotated[str, Header(alias=HEADER)] = "") -> Context:
        try:
            return crossfade.contexts.verify(context)
        except InvalidContext:
            raise HTTPException(403, "this service is reached through Crossfade") from None

    @app.get("/about/")
    def about(visitor: Annotated[Context, Depends(recognise)]) -> dict[str, Any]:
        return {"user": visitor.subject, "visitor": visitor.visitor}

    @app.get("/cart/")
    def show(visitor: Annotated[Context, Depends(recognise)]) -> dict[str, Any]:
        return {"user": visitor.subject, "cart": cart_of(crossfade, visitor)[0]}

    @app.post("/cart/")
    def add(visitor: Annotated[Context, Depends(recognise)], item: str, response: Response) -> dict[str, Any]:
        cart, handoff = put(crossfade, visitor, item)
        if handoff:
            response.headers[HANDOFF] = handoff
        return {"cart": cart}

    @app.exception_handler(SessionEnded)
    def ended(_: Request, __: SessionEnded) -> JSONResponse:
        return JSONResponse({"error": "this session is over or has moved on: load the page again"}, 409)

    @app.exception_handler(Unavailable)
    def unavailable(_: Request, __: Unavailable) -> JSONResponse:
        return JSONResponse({"error": "the session service cannot be reached"}, 503, {"Retry-After": "5"})

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
