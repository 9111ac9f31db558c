# When jobs run and how they ended is kept by `ops` (jobs and runs) from now on.

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0004_archive_guards'),
    ]

    operations = [
        migrations.DeleteModel(name='JobState'),
    ]
