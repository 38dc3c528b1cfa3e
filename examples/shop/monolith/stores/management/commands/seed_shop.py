"""Fills the shop: stores and menus from catalogue.json, customers, one member of staff.

Run again it changes nothing that is as it should be; in particular it leaves passwords alone, since a
new password hash would log everybody out.
"""

import json

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.db import transaction

from cart.models import Promotion
from stores.models import Item, Section, Store

PASSWORD = "bramble-pie"  # of every seeded account
SALT = "brambleexamplesalt0000"  # fixed: the same database every time, and one hash for all customers
NAMES = ["Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jun", "Kofi", "Lena"]


class Command(BaseCommand):
    help = "Fill the shop with stores, menus, customers (customer1 …) and a member of staff (staff)."

    def add_arguments(self, parser):
        parser.add_argument("--customers", type=int, default=20, help="How many customers (default 20).")

    @transaction.atomic
    def handle(self, *, customers, **options):
        catalogue = json.loads(settings.CATALOGUE.read_text(encoding="utf-8"))
        for store in catalogue["stores"]:
            seed_store(store)
        for promotion in catalogue["promotions"]:
            Promotion.objects.update_or_create(code=promotion["code"], defaults=promotion)
        made = seed_people(customers)
        self.stdout.write(
            f"{Store.objects.count()} stores, {Item.objects.count()} dishes, "
            f"{User.objects.count()} accounts ({made} new); password of the seeded ones: {PASSWORD}"
        )


def seed_store(data):
    sections = data.pop("sections")
    data["eta_from"], data["eta_to"] = data.pop("eta_minutes")
    store, _ = Store.objects.update_or_create(id=data.pop("id"), defaults=data)
    for position, entry in enumerate(sections):
        section, _ = Section.objects.update_or_create(
            store=store, name=entry["name"], defaults={"position": position}
        )
        for item in entry["items"]:
            Item.objects.update_or_create(id=item.pop("id"), defaults={"section": section, **item})


def seed_people(customers):
    """The seeded accounts that were missing. Returns how many."""
    password = make_password(PASSWORD, salt=SALT)
    people = [User(username="staff", first_name="Robin", is_staff=True, is_superuser=True)]
    people += [
        User(
            username=f"customer{n}", first_name=NAMES[(n - 1) % len(NAMES)], email=f"customer{n}@shop.example"
        )
        for n in range(1, customers + 1)
    ]
    known = set(User.objects.values_list("username", flat=True))
    missing = [person for person in people if person.username not in known]
    for person in missing:
        person.password = password
    User.objects.bulk_create(missing)
    return len(missing)
