"""How the shop addresses somebody."""


def display_name(user):
    return user.first_name or user.get_username()


def card(user):
    """What the session keeps about a customer, so that pages greet without a query."""
    return {"id": str(user.pk), "username": user.get_username(), "name": display_name(user)}
