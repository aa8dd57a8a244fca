
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stock', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='level',
            name='dirty',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddIndex(
            model_name='level',
            index=models.Index(condition=models.Q(('dirty', True)), fields=['account_id', 'store_id'], name='level_dirty'),
        ),
    ]
