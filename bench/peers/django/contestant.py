"""Django's own session engines: db on PostgreSQL, and cached_db with Redis before it."""

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import django
from django.conf import settings

CART = '{"store":"riverside","items":[{"sku":"12-331","n":2},{"sku":"31-008","n":1}],"note":""}'
LISTED = 10


def main() -> None:
    contest = Contest()
    for line in sys.stdin:
        try:
            answer = contest.obey(json.loads(line))
        except Exception as e:  # the harness prints it
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


def configure(opening: dict[str, Any]) -> None:
    from urllib.parse import parse_qs, urlsplit

    at = urlsplit(opening["postgres"])
    host = at.hostname or parse_qs(at.query).get("host", [""])[0]
    settings.configure(
        SECRET_KEY="of the measurement",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": at.path[1:],
                "USER": at.username or "",
                "PASSWORD": at.password or "",
                "HOST": host,
                "PORT": at.port or "",
                "CONN_MAX_AGE": None,
            }
        },
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://" + opening["redis"] + "/1",
            }
        },
        SESSION_ENGINE="django.contrib.sessions.backends." + opening["store"],
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


class Contest:
    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if "open" in order:
            return self.open(order["open"])
        tasks: dict[str, Callable[[int], None]] = {
            "check a live session": self.check,
            "create a guest with a cart": self.create,
            "log in, with a new token": self.login,
        }
        if order["task"] in tasks:
            return self.crowd(tasks[order["task"]], order["callers"], order["seconds"])
        return self.repeat(order["task"].startswith("end"), order["times"])

    def open(self, opening: dict[str, Any]) -> dict[str, Any]:
        configure(opening)
        from django.contrib.auth.models import User
        from django.contrib.sessions.models import Session

        self.opening = opening
        self.fresh = 0
        self.rows, self.users = Session, User
        self.store = import_module(settings.SESSION_ENGINE).SessionStore
        self.keys = [self.save(f"customer-{i}") for i in range(opening["sessions"])]
        self.own("listed", LISTED, opening["dead"])
        return {"version": django.get_version()}

    def save(self, subject: str, life: timedelta | None = None) -> str:
        s = self.store()
        s["cart"] = CART
        if subject:
            s["_auth_user_id"] = subject
        if life is not None:
            s.set_expiry(life)
        s.save()
        return s.session_key

    def check(self, i: int) -> None:
        if "_auth_user_id" not in self.store(self.keys[i]):
            raise RuntimeError("a live session is not there")

    def create(self, i: int) -> None:
        self.save("")

    def login(self, i: int) -> None:
        s = self.store(self.keys[i])
        s.cycle_key()
        s["_auth_user_id"] = f"customer-{i}"
        s.save()
        self.keys[i] = s.session_key

    def own(self, subject: str, live: int, dead: int) -> None:
        for _ in range(dead):
            self.save(subject, timedelta(seconds=-1))
        for _ in range(live):
            self.save(subject)

    def mine(self, subject: str) -> list[str]:
        """Sessions have no owner: whoever wants a user's decodes all that are alive."""
        from django.utils import timezone

        rows = self.rows.objects.filter(expire_date__gte=timezone.now()).iterator()
        return [r.session_key for r in rows if r.get_decoded().get("_auth_user_id") == subject]

    def end_all(self, subject: str) -> int:
        keys = self.mine(subject)
        for key in keys:
            self.store(key).delete()
        return len(keys)

    def repeat(self, ends: bool, times: int) -> dict[str, Any]:
        taken: list[float] = []
        cpu = 0.0
        for _ in range(times):
            subject = "listed"
            if ends:
                self.fresh += 1
                subject = f"ended-{self.fresh}"
                self.own(subject, self.opening["owned"], 0)
            before, start = processor(), time.perf_counter()
            met = self.end_all(subject) if ends else len(self.mine(subject))
            taken.append(time.perf_counter() - start)
            cpu += processor() - before
            want = self.opening["owned"] if ends else LISTED
            if met != want:
                raise RuntimeError(f"met {met} sessions, there are {want}")
        return result(taken, sum(taken), cpu)

    def crowd(self, task: Callable[[int], None], callers: int, seconds: float) -> dict[str, Any]:
        taken: list[list[float]] = [[] for _ in range(callers)]
        errors: list[Exception] = []
        ready = threading.Barrier(callers + 1)
        end = [0.0]

        def work(w: int) -> None:
            from django.db import connection

            try:
                connection.ensure_connection()
                ready.wait()
                i, last = w, time.perf_counter()
                while last < end[0]:
                    task(i)
                    i = i + callers if i + callers < len(self.keys) else w
                    now = time.perf_counter()
                    taken[w].append(now - last)
                    last = now
            except Exception as e:
                errors.append(e)
                ready.abort()
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(w,)) for w in range(callers)]
        for t in threads:
            t.start()
        end[0] = time.perf_counter() + 3600
        ready.wait()
        before, start = processor(), time.perf_counter()
        end[0] = start + seconds
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        return result([d for some in taken for d in some], time.perf_counter() - start, processor() - before)


def processor() -> float:
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def result(taken: list[float], took: float, cpu: float) -> dict[str, Any]:
    taken.sort()

    def at(q: float) -> int:
        return int(1e9 * taken[min(len(taken) - 1, int(q * len(taken)))]) if taken else 0

    return {
        "count": len(taken),
        "took": int(1e9 * took),
        "p50": at(0.5),
        "p99": at(0.99),
        "cpu": int(1e9 * cpu),
    }


if __name__ == "__main__":
    main()
