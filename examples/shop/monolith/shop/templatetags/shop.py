"""What the shop's templates say often."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html

from accounts import names
from shop.money import euros

register = template.Library()
register.filter("euros", euros)
register.filter("display_name", names.display_name)


@register.simple_tag
def sign(name, css="sign"):
    """An icon of the interface, in the colour of the text around it."""
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', css, static("shop/sprite.svg"), name
    )


@register.simple_tag
def thumb(icon, hue):
    """A dish on the tint of its store."""
    return format_html('<span class="thumb" style="--hue:{}">{}</span>', hue, sign(icon, ""))
