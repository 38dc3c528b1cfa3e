"""Money is a whole number of cents everywhere; this is how it is written."""


def euros(cents):
    """€12.50 for 1250, −€0.50 for -50."""
    sign = "−" if cents < 0 else ""
    return f"{sign}€{abs(cents) // 100}.{abs(cents) % 100:02d}"
