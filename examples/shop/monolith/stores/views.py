from django.db.models import Prefetch
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from .models import Item, Section, Store

RECENT = "recently_viewed"  # session key: store slugs, newest first
RECENT_LENGTH = 4


@require_safe
def home(request):
    stores = list(Store.objects.filter(open=True))
    cuisine = request.GET.get("cuisine", "")
    by_slug = {s.slug: s for s in stores}
    return render(
        request,
        "home.html",
        {
            "stores": [s for s in stores if cuisine in ("", s.cuisine)],
            "cuisines": [{"name": s.cuisine, "icon": s.icon} for s in stores],
            "cuisine": cuisine,
            "recent": [by_slug[slug] for slug in request.session.get(RECENT, []) if slug in by_slug],
        },
    )


@require_safe
def store(request, slug):
    available = Item.objects.filter(available=True)
    sections = Section.objects.prefetch_related(Prefetch("items", queryset=available))
    place = get_object_or_404(
        Store.objects.prefetch_related(Prefetch("sections", queryset=sections)), slug=slug, open=True
    )
    remember(request.session, slug)
    return render(request, "store.html", {"store": place})


def remember(session, slug):
    """Put a store in front of the recently viewed ones. Looking twice at the same one writes nothing."""
    before = session.get(RECENT, [])
    if before[:1] != [slug]:
        session[RECENT] = [slug, *(s for s in before if s != slug)][:RECENT_LENGTH]
