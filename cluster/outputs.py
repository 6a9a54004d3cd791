"""Reading stack outputs: the one reader of what `pulumi stack output --json` prints."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from settings.names import PROJECT_NAME
from settings.outputs import CONTRACT_VERSION, Outputs


class OutputsError(Exception):
    """Not the outputs of this program; the message says why, `fix` what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.message = message
        self.fix = fix


def read_outputs(text: str, origin: str) -> Outputs:
    """The outputs in a JSON document; `origin` names it in errors.

    Raises:
        OutputsError: not JSON, or as `parse_outputs`.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        fix = "Write it with: pulumi stack output --json > outputs.json"
        raise OutputsError(f"{origin} is not valid JSON: {error}.", fix) from None
    return parse_outputs(data, origin)


def parse_outputs(data: Any, origin: str) -> Outputs:
    """The outputs, checked against the contract. Fields that a later minor version adds are dropped.

    Raises:
        OutputsError: not the outputs of this program, or of another major version.
    """
    fix = "Write it with: pulumi stack output --json > outputs.json"
    if not isinstance(data, Mapping) or not data:
        raise OutputsError(f"{origin}: no stack outputs.", f"Run `pulumi up` of {PROJECT_NAME} first.")
    if "contractVersion" not in data:
        raise OutputsError(f"{origin}: not the outputs of {PROJECT_NAME}: `contractVersion` is missing.", fix)
    version = str(data["contractVersion"])
    if version.split(".")[0] != CONTRACT_VERSION.split(".")[0]:
        raise OutputsError(
            f"{origin}: the outputs follow contract {version}; this program reads {CONTRACT_VERSION.split('.')[0]}.x.",
            "Read them with the version of the program that wrote them.",
        )
    known = copy.deepcopy(dict(data))
    while True:
        try:
            return Outputs.model_validate(known, strict=True)
        except ValidationError as error:
            wrong = error.errors()
            first = next((item for item in wrong if item["type"] != "extra_forbidden"), None)
            if first is not None:
                place = ".".join(str(part) for part in first["loc"])
                said = f"{origin}: not the outputs of {PROJECT_NAME}: {place}: {first['msg']}."
                raise OutputsError(said, fix) from None
            for item in wrong:
                _remove(known, item["loc"])


def _remove(data: Any, place: tuple[int | str, ...]) -> None:
    for part in place[:-1]:
        data = data[part]
    del data[place[-1]]
