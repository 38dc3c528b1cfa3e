from django.core.validators import MaxValueValidator
from django.db import models
from django.urls import reverse

from shop.money import euros


class Store(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    cuisine = models.CharField(max_length=40, db_index=True)
    tagline = models.CharField(max_length=160)
    icon = models.CharField(max_length=20, help_text="Name of a symbol in assets/sprite.svg")
    hue = models.PositiveSmallIntegerField(help_text="0–360", validators=[MaxValueValidator(360)])
    rating = models.DecimalField(max_digits=2, decimal_places=1)
    reviews = models.PositiveIntegerField(default=0)
    eta_from = models.PositiveSmallIntegerField(help_text="Minutes")
    eta_to = models.PositiveSmallIntegerField(help_text="Minutes")
    delivery_fee_cents = models.PositiveIntegerField()
    open = models.BooleanField(default=True)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("store", args=[self.slug])

    @property
    def delivery_fee(self):
        return euros(self.delivery_fee_cents)


class Section(models.Model):
    store = models.ForeignKey(Store, on_delete=models.CASCADE, related_name="sections")
    name = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["store", "name"], name="section_once")]

    def __str__(self):
        return f"{self.store}: {self.name}"


class Item(models.Model):
    section = models.ForeignKey(Section, on_delete=models.CASCADE, related_name="items")
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    price_cents = models.PositiveIntegerField()
    icon = models.CharField(max_length=20)
    tags = models.JSONField(default=list, blank=True)
    available = models.BooleanField(default=True)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return self.name

    @property
    def price(self):
        return euros(self.price_cents)

    @property
    def store(self):
        return self.section.store
