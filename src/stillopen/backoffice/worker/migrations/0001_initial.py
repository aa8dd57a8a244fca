
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('name', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('holder', models.CharField(max_length=40)),
                ('until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Task',
            fields=[
                ('key', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=40)),
                ('due_at', models.DateTimeField()),
                ('details', models.JSONField(default=dict)),
                ('tries', models.IntegerField(default=0)),
                ('error', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'indexes': [models.Index(fields=['due_at'], name='task_due')],
            },
        ),
    ]
