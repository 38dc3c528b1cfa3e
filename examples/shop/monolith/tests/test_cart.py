from django.test import Client

from cart.basket import MAX_QUANTITY

from .seeded import ShopTestCase


class CartTests(ShopTestCase):
    def test_the_session_keeps_quantities_by_item_id(self):
        self.add(201)
        self.add(201, qty=2)
        self.add(601)
        self.assertEqual(self.client.session["cart"], {"201": 3, "601": 1})

    def test_adding_returns_to_the_page_that_was_named(self):
        self.assertRedirects(self.add(201, next="/stores/kori-ramen/"), "/stores/kori-ramen/")

    def test_adding_never_leads_to_another_site(self):
        for target in ["https://evil.example/", "//evil.example/", "javascript:alert(1)"]:
            self.assertRedirects(self.add(201, next=target), "/cart/")

    def test_an_unknown_item_or_a_wrong_quantity_changes_nothing(self):
        for fields in [{"item": 999}, {"item": "x"}, {"item": 201, "qty": 0}, {"item": 201, "qty": 1000}]:
            self.client.post("/cart/add/", fields)
        self.assertNotIn("cart", self.client.session)

    def test_quantities_stop_at_the_limit(self):
        self.add(201, qty=MAX_QUANTITY)
        self.add(201, qty=5)
        self.assertEqual(self.cart(), {201: MAX_QUANTITY})

    def test_quantity_zero_removes(self):
        self.add(201)
        self.add(601)
        self.client.post("/cart/update/", {"item": 201, "qty": 0})
        self.assertEqual(self.cart(), {601: 1})

    def test_reading_a_cart_makes_no_session(self):
        self.client.get("/cart/")
        self.client.get("/api/cart")
        self.assertNotIn("sessionid", self.client.cookies)

    def test_forms_need_a_csrf_token(self):
        answer = Client(enforce_csrf_checks=True).post("/cart/add/", {"item": 201})
        self.assertEqual(answer.status_code, 403)

    def test_an_item_that_left_the_menu_is_not_charged(self):
        session = self.client.session
        session["cart"] = {"201": 1, "99999": 2, "odd": 1}
        session.save()
        self.assertEqual(self.cart(), {201: 1})
        self.assertContains(self.client.get("/cart/"), "Tonkotsu")


class PriceTests(ShopTestCase):
    def test_total_is_dishes_less_promotion_plus_one_delivery_per_store(self):
        self.add(201)  # 13.50, delivery 2.50
        self.add(205)  # 6.50
        self.add(601)  # 11.50, delivery 1.90
        self.client.post("/cart/promo/", {"code": " welcome10 "})
        answer = self.client.get("/api/cart").json()
        self.assertEqual(answer["subtotal_cents"], 3150)
        self.assertEqual(answer["discount_cents"], 315)
        self.assertEqual(answer["delivery_cents"], 440)
        self.assertEqual(answer["total_cents"], 3275)

    def test_a_promotion_can_be_taken_away_and_a_wrong_code_changes_nothing(self):
        self.client.post("/cart/promo/", {"code": "LUNCH15"})
        self.client.post("/cart/promo/", {"code": "NOPE"})
        self.assertEqual(self.client.session["promo"], "LUNCH15")
        self.client.post("/cart/promo/", {"code": ""})
        self.assertNotIn("promo", self.client.session)

    def test_the_delivery_address_is_kept_and_shown(self):
        self.client.post("/cart/delivery/", {"street": "12 Mill Lane", "city": "Riverton"})
        self.assertEqual(self.client.session["delivery"]["city"], "Riverton")
        self.assertContains(self.client.get("/"), "12 Mill Lane")
