from checkout.models import Order
from stores.models import Item

from .seeded import ShopTestCase


class CheckoutTests(ShopTestCase):
    def setUp(self):
        self.log_in()
        self.add(201, qty=2)
        self.add(601)

    def test_an_order_empties_the_cart_and_shows_its_receipt(self):
        self.client.post("/cart/promo/", {"code": "WELCOME10"})
        answer = self.client.post("/checkout/", self.fill_in(note="Blue door"))
        order = Order.objects.get()
        self.assertRedirects(answer, f"/orders/{order.reference}/")
        receipt = self.client.get(answer.url)
        self.assertContains(receipt, order.reference)
        self.assertContains(receipt, "€39.05")  # 38.50 − 3.85 + 4.40
        self.assertEqual(self.cart(), {})
        self.assertNotIn("promo", self.client.session)

    def test_the_same_form_sent_twice_is_one_order(self):
        form = self.fill_in()
        first = self.client.post("/checkout/", form)
        self.add(201)
        second = self.client.post("/checkout/", form)
        self.assertEqual(first.url, second.url)
        self.assertEqual(Order.objects.count(), 1)
        self.assertEqual(self.cart(), {201: 1})

    def test_the_address_is_remembered(self):
        self.client.post("/checkout/", self.fill_in())
        self.add(201)
        self.assertContains(self.client.get("/checkout/"), 'value="12 Mill Lane"')

    def test_a_missing_street_is_asked_for_and_nothing_is_ordered(self):
        answer = self.client.post("/checkout/", self.fill_in(street=""))
        self.assertContains(answer, "This field is required")
        self.assertEqual(Order.objects.count(), 0)

    def test_an_empty_cart_cannot_be_ordered(self):
        form = self.fill_in()
        for item in (201, 601):
            self.client.post("/cart/update/", {"item": item, "qty": 0})
        self.assertRedirects(self.client.post("/checkout/", form), "/cart/")
        self.assertEqual(Order.objects.count(), 0)


class ReceiptTests(ShopTestCase):
    def setUp(self):
        self.log_in()
        self.add(201)
        self.receipt = self.client.post("/checkout/", self.fill_in()).url

    def test_prices_on_a_receipt_stay_when_the_menu_changes(self):
        Item.objects.update(price_cents=1)
        self.assertContains(self.client.get(self.receipt), "€13.50")

    def test_only_its_owner_sees_it(self):
        self.client.logout()
        self.assertRedirects(self.client.get(self.receipt), f"/accounts/login/?next={self.receipt}")
        self.log_in("customer2")
        self.assertEqual(self.client.get(self.receipt).status_code, 404)

    def test_the_history_lists_it(self):
        self.assertContains(self.client.get("/orders/"), self.receipt)
