from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crossfade', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='legacykey',
            name='version',
            field=models.BigIntegerField(default=0),
        ),
    ]
