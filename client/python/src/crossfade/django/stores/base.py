"""What the three kinds of ``request.session`` have in common."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase

from ..stamps import LOGIN_KEY


class Noticing(SessionBase):
    """Notices a login, also of the same user again, which changes no value: only the assignment tells of
    it. Its asynchronous half runs the synchronous one."""

    proved = False  # somebody logged in since this was last set to False

    def __setitem__(self, key: str, value: Any) -> None:
        self.proved = self.proved or key == LOGIN_KEY
        super().__setitem__(key, value)

    async def aset(self, key: str, value: Any) -> None:
        self.proved = self.proved or key == LOGIN_KEY
        await super().aset(key, value)

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def acreate(self) -> None:
        await sync_to_async(self.create)()
