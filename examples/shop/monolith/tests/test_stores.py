from unittest import skipIf

from django.conf import settings
from django.contrib.auth.models import User

from stores.models import Item, Store

from .seeded import ShopTestCase, seed


class HomeTests(ShopTestCase):
    def test_every_store_is_listed(self):
        page = self.client.get("/")
        for store in Store.objects.all():
            self.assertContains(page, store.get_absolute_url())

    def test_a_cuisine_narrows_the_list(self):
        page = self.client.get("/?cuisine=Japanese")
        self.assertContains(page, "Kori Ramen")
        self.assertNotContains(page, "Lupo Pizzeria")

    def test_body_tells_who_serves_whom(self):
        self.assertContains(self.client.get("/"), 'data-system="legacy" data-user="" data-cart="0"')

    def test_the_first_visit_makes_no_session(self):
        self.client.get("/")
        self.assertNotIn("sessionid", self.client.cookies)

    @skipIf(settings.CROSSFADE, "Crossfade is configured")
    def test_without_crossfade_no_page_asks_for_its_script(self):
        self.assertNotContains(self.client.get("/"), "_crossfade")


class StoreTests(ShopTestCase):
    def test_the_menu_shows_what_is_available(self):
        Item.objects.filter(id=202).update(available=False)
        page = self.client.get("/stores/kori-ramen/")
        self.assertContains(page, "Tonkotsu")
        self.assertNotContains(page, "Spicy miso")

    def test_an_unknown_store_is_a_friendly_404(self):
        page = self.client.get("/stores/nowhere/")
        self.assertContains(page, "Not on the menu", status_code=404)

    def test_recently_viewed_stores_come_newest_first_and_once(self):
        for slug in ["kori-ramen", "patty-works", "kori-ramen"]:
            self.client.get(f"/stores/{slug}/")
        self.assertEqual(self.client.session["recently_viewed"], ["kori-ramen", "patty-works"])
        self.assertContains(self.client.get("/"), "Back for more?")


class SeedTests(ShopTestCase):
    def test_seeding_again_keeps_passwords_and_so_everybody_logged_in(self):
        before = User.objects.get(username="customer1").password
        self.log_in()
        seed(customers=5)
        self.assertEqual(User.objects.get(username="customer1").password, before)
        self.assertTrue(self.client.get("/api/me").json()["authenticated"])
        self.assertEqual(User.objects.filter(username__startswith="customer").count(), 5)
