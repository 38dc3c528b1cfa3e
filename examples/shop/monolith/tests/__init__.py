"""What the shop promises, with plain Django sessions: python manage.py test"""
