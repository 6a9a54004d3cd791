"""What is said of the picker agrees with itself: its configurations use known plugins, its notes known parameters."""

from __future__ import annotations

import re

import pytest

from catalog.epp_plugins import epp_versions, load_epp_plugins
from catalog.files import UnknownVersionError

EPP = load_epp_plugins("v0.9.0")
PLUGINS = EPP["plugins"]


def test_an_unknown_version_names_the_known_ones() -> None:
    with pytest.raises(UnknownVersionError, match=re.escape("v0.9.0")):
        load_epp_plugins("v0.1.0")
    assert "v0.9.0" in epp_versions()


def test_kserves_own_default_uses_known_plugins_and_shows_weights_that_differ_from_the_pickers() -> None:
    """Field issue 14: the weights are decided by whoever writes the configuration, so ours is written out."""
    config = EPP["kserveDefault"]["config"]
    types = [plugin["type"] for plugin in config["plugins"]]
    assert set(types) <= set(PLUGINS)
    refs = {p["pluginRef"]: p.get("weight") for p in config["schedulingProfiles"][0]["plugins"]}
    assert set(refs) <= set(types)
    assert refs["no-hit-lru-scorer"] == 2, "a scorer that the picker's own default does not have"


def test_kserves_default_can_not_run_on_the_upstream_picker() -> None:
    types = {plugin["type"] for plugin in EPP["kserveDefault"]["config"]["plugins"]}
    assert {t for t in types if not PLUGINS[t]["alsoInGie150"]} == {"no-hit-lru-scorer"}


def test_there_is_a_full_set_of_plugins_that_both_pickers_know() -> None:
    """One configuration for the cloud and for a rehearsal needs at least these kinds in both."""
    common = {p["kind"] for p in PLUGINS.values() if p["alsoInGie150"] and not p.get("deprecated")}
    assert {"profile-handler", "scorer", "picker", "data-producer", "parser", "saturation-detector"} <= common
    assert EPP["config"]["apiVersionForBoth"] in EPP["config"]["apiVersions"]


def test_a_replacement_is_a_known_plugin_that_is_not_deprecated_itself() -> None:
    deprecated = {name: plugin.get("replacedBy") for name, plugin in PLUGINS.items() if plugin.get("deprecated")}
    assert deprecated["pd-profile-handler"] == "disagg-profile-handler"
    for replacement in deprecated.values():
        assert replacement is not None
        named = [name for name in PLUGINS if name in replacement]
        assert any(not PLUGINS[name].get("deprecated") for name in named), replacement


def test_block_sizes_belong_to_the_producer_and_not_to_the_scorer() -> None:
    """KServe 0.20.0 silently drops them from the scorer, and the picker would refuse them there."""
    scorer, producer = (PLUGINS[name]["parameters"] for name in ("prefix-cache-scorer", "approx-prefix-cache-producer"))
    assert set(scorer) == {"prefixMatchInfoProducerName"}
    assert producer["blockSizeTokens"]["default"] == 16
    assert producer["blockSize"]["deprecated"]


def test_a_parameters_default_has_its_type() -> None:
    kinds = {"bool": bool, "int": int, "float": float, "str": str}
    for name, plugin in PLUGINS.items():
        for key, parameter in (plugin.get("parameters") or {}).items():
            assert type(parameter["default"]) is kinds[parameter["type"]], f"{name}.{key}"


def test_what_the_loader_adds_are_known_plugins() -> None:
    said = " ".join(default["adds"] for default in EPP["addedWhenOmitted"])
    named = set(
        re.findall(
            r"[a-z]+(?:-[a-z]+)*-(?:scorer|picker|handler|policy|parser|detector|producer|source|extractor)", said
        )
    )
    assert len(named) >= 14
    assert named <= set(PLUGINS)
