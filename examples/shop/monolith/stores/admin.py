from django.contrib import admin

from .models import Item, Section, Store


class SectionInline(admin.TabularInline):
    model = Section
    extra = 0


@admin.register(Store)
class StoreAdmin(admin.ModelAdmin):
    list_display = ["name", "cuisine", "rating", "delivery_fee", "open"]
    list_editable = ["open"]
    list_filter = ["cuisine", "open"]
    search_fields = ["name", "tagline"]
    inlines = [SectionInline]


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin):
    list_display = ["name", "section", "price", "available"]
    list_editable = ["available"]
    list_filter = ["section__store"]
    list_select_related = ["section__store"]
    search_fields = ["name"]
