import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class People(BaseUserManager):
    def create_user(self, name, password):
        person = self.model(email=name)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.CharField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)

    objects = People()
    USERNAME_FIELD = "email"

    def __str__(self):
        return self.email
