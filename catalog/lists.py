"""The dated lists of the catalogue: what was read somewhere on a day, and is not asked anew by itself."""

from __future__ import annotations

import datetime

from catalog.files import DATA_DIR, read_yaml

# Google's lists of zones, prices and machines change several times a year.
_HALF_A_YEAR = datetime.timedelta(days=183)
# What it holds has a date of its own, row by row.
_NO_LIST = "lock.yaml"


def dated_lists() -> dict[str, datetime.date]:
    """Name of each data file with a date of its own, and that date; oldest first."""
    names = [path.name for path in DATA_DIR.glob("*.yaml") if path.name != _NO_LIST]
    found = {name: day for name in names if isinstance(day := read_yaml(name).get("date"), datetime.date)}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def is_old(day: datetime.date, today: datetime.date) -> bool:
    """Older than six months: its sources are to be read again."""
    return today - day > _HALF_A_YEAR
