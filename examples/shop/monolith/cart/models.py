from django.db import models


class Promotion(models.Model):
    code = models.CharField(max_length=20, unique=True)
    percent = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=80)
    active = models.BooleanField(default=True)

    def __str__(self):
        return self.code
