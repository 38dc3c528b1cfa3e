from django.contrib import admin

from .models import Order, OrderLine


class LineInline(admin.TabularInline):
    model = OrderLine
    extra = 0


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["reference", "user", "placed", "city", "payment", "total"]
    list_select_related = ["user"]
    list_filter = ["placed", "payment"]
    search_fields = ["reference", "user__username"]
    date_hierarchy = "placed"
    inlines = [LineInline]
