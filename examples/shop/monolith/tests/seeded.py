"""A test case with the whole catalogue and three customers in the database."""

import io
import re

from django.core.management import call_command
from django.test import TestCase

from stores.management.commands.seed_shop import PASSWORD


def seed(customers):
    call_command("seed_shop", customers=customers, stdout=io.StringIO())


class ShopTestCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        seed(customers=3)

    def add(self, item, **fields):
        return self.client.post("/cart/add/", {"item": item, **fields})

    def log_in(self, username="customer1", **fields):
        return self.client.post("/accounts/login/", {"username": username, "password": PASSWORD, **fields})

    def fill_in(self, **fields):
        """The checkout form as a browser would send it back."""
        page = self.client.get("/checkout/").content.decode()
        attempt = re.search(r'name="attempt" value="([^"]+)"', page)[1]
        return {"attempt": attempt, "street": "12 Mill Lane", "city": "Riverton", "payment": "card", **fields}

    def cart(self):
        return {line["id"]: line["quantity"] for line in self.client.get("/api/cart").json()["items"]}
