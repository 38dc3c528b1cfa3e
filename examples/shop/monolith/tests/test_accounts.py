from django.contrib.auth.models import User

from stores.management.commands.seed_shop import PASSWORD

from .seeded import ShopTestCase


class LoginTests(ShopTestCase):
    def test_logging_in_keeps_the_guests_cart(self):
        self.add(201, qty=2)
        self.log_in()
        self.assertEqual(self.cart(), {201: 2})
        page = self.client.get("/")
        self.assertContains(page, 'data-user="customer1" data-cart="2"')
        self.assertContains(page, "Ada")

    def test_api_me_names_the_subject(self):
        self.log_in("customer2")
        me = self.client.get("/api/me").json()
        self.assertEqual(me["subject"], str(User.objects.get(username="customer2").pk))
        self.assertEqual((me["system"], me["user"], me["name"]), ("legacy", "customer2", "Bruno"))

    def test_the_session_knows_the_name_for_pages_that_cannot_ask_the_database(self):
        self.log_in()
        pk = str(User.objects.get(username="customer1").pk)
        self.assertEqual(self.client.session["customer"], {"id": pk, "username": "customer1", "name": "Ada"})

    def test_login_leads_on_to_the_page_that_asked_for_it(self):
        self.add(201)
        self.assertRedirects(self.client.get("/checkout/"), "/accounts/login/?next=/checkout/")
        self.assertRedirects(self.log_in(next="/checkout/"), "/checkout/")

    def test_logout_is_a_post_and_forgets_everything(self):
        self.log_in()
        self.add(201)
        self.client.post("/accounts/logout/")
        self.assertEqual(self.client.get("/api/me").json()["cart_count"], 0)
        self.assertFalse(self.client.get("/api/me").json()["authenticated"])


class AccountTests(ShopTestCase):
    def test_sign_up_logs_in_keeps_the_cart_and_goes_on(self):
        self.add(201)
        fields = {"username": "nina", "first_name": "Nina", "email": "nina@shop.example"}
        fields |= {"password1": "plum-tart-42", "password2": "plum-tart-42", "next": "/cart/"}
        self.assertEqual(self.client.get("/accounts/signup/?next=/cart/").status_code, 200)
        self.assertRedirects(self.client.post("/accounts/signup/", fields), "/cart/")
        me = self.client.get("/api/me").json()
        self.assertEqual((me["name"], me["cart_count"]), ("Nina", 1))

    def test_a_new_password_keeps_this_browser_and_ends_the_others(self):
        self.log_in()
        other = self.client_class()
        other.post("/accounts/login/", {"username": "customer1", "password": PASSWORD})
        fields = {"old_password": PASSWORD, "new_password1": "plum-tart-42", "new_password2": "plum-tart-42"}
        self.assertRedirects(self.client.post("/account/password/", fields), "/account/")
        self.assertTrue(self.client.get("/api/me").json()["authenticated"])
        self.assertFalse(other.get("/api/me").json()["authenticated"])

    def test_a_new_name_is_used_at_once(self):
        self.log_in()
        self.client.post("/account/", {"first_name": "Augusta"})
        self.assertEqual(self.client.session["customer"]["name"], "Augusta")
        self.assertContains(self.client.get("/account/"), "Hello, Augusta")

    def test_the_back_office_is_for_staff(self):
        self.log_in()
        self.assertEqual(self.client.get("/admin/").status_code, 302)
        self.client.logout()
        self.log_in("staff")
        self.assertContains(self.client.get("/admin/"), "Bramble back office")
