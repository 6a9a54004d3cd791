"""Published forms of secrets. Data: `data/secret_forms.yaml`."""

from __future__ import annotations

import re
from functools import cache

from catalog.files import read_yaml


@cache
def secret_forms() -> re.Pattern[str]:
    """Any of them; each from the form's fixed part to where such a secret can end."""
    return re.compile("|".join(f"(?:{form['pattern']})" for form in read_yaml("secret_forms.yaml")["forms"]))
