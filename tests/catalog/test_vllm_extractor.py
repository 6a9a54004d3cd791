"""The extractor follows the ways in which vLLM builds its parser, and agrees with the committed table on the real wheel."""

from __future__ import annotations

import datetime
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from catalog.files import DATA_DIR
from tools.runtime_tables.vllm_flags import ExtractionError, extract, table, write_table

TODAY = datetime.date(2026, 11, 24)

# A small server, built in the same ways: dataclasses, aliases over modules, shared tables, a frontend class with a
# customising hook that calls its base, groups, and the odd statement in between.
TREE = {
    "vllm/config/__init__.py": "from vllm.config.model import ModelConfig\nfrom .cache import CacheConfig\n",
    "vllm/config/kinds.py": (
        "from typing import Literal, TYPE_CHECKING\n"
        "Color = Literal['red', 'blue']\n"
        "if TYPE_CHECKING:\n"
        "    Loader = Literal['a']\n"
        "else:\n"
        "    Loader = str\n"
        "BIG = 4 * 2**10\n"
        "class Box(dict[str, int]):\n"
        "    pass\n"
    ),
    "vllm/config/model.py": (
        "from pydantic import Field\n"
        "from vllm.config.kinds import BIG, Box, Color, Loader\n"
        "from vllm.config.utils import config\n"
        "@config\n"
        "class Inner:\n"
        "    x: int = 1\n"
        "@config(config=dict(a=1))\n"
        "class ModelConfig:\n"
        "    color: Color = 'red'\n"
        "    hue: Color | str = 'red'\n"
        "    maybe: Color | None = None\n"
        "    loader: str | Loader = 'auto'\n"
        "    size: int = Field(default=BIG, ge=1, le=9999)\n"
        "    max_model_len: int = 0\n"
        "    tokens: int | None = None\n"
        "    share: float = 0.5\n"
        "    names: list[str] | None = None\n"
        "    sizes: list[int] = Field(default_factory=list)\n"
        "    pair: tuple[int, int] = (1, 2)\n"
        "    inner: Inner | None = None\n"
        "    extra: dict[str, int] = Field(default_factory=dict)\n"
        "    over: dict[str, int] | str = ''\n"
        "    box: Box = Field(default_factory=Box)\n"
        "    token: bool | str | None = None\n"
        "    fast: bool = True\n"
        '    old: bool = False\n    """Deprecated: use fast. It will go."""\n'
        '    allow_deprecated: bool = False\n    """Whether to take deprecated things."""\n'
        "    hidden: 'ClassVar[int]' = 1\n"
    ),
    "vllm/config/cache.py": "from vllm.config.utils import config\n@config\nclass CacheConfig:\n    block: int | None = None\n",
    "vllm/config/utils.py": "def config(cls): return cls\n",
    "vllm/engine/arg_utils.py": (
        "import argparse\nimport json\n"
        "from typing import get_args\n"
        "from vllm.config import CacheConfig, ModelConfig\n"
        "from vllm.config.kinds import Color\n"
        "def _compute_kwargs(cls):\n"
        "    human_readable_int_args = {'tokens'}\n"
        "    for name in []:\n"
        "        if name == 'max_model_len':\n"
        "            t = human_readable_int_or_auto\n"
        "class EngineArgs:\n"
        "    fast: bool = ModelConfig.fast\n"
        "    @staticmethod\n"
        "    def add_cli_args(parser):\n"
        "        kw = get_kwargs(ModelConfig)\n"
        "        group = parser.add_argument_group(title='ModelConfig', description=ModelConfig.__doc__)\n"
        "        if not ('serve' in sys.argv):\n"
        + "".join(
            f"            group.add_argument('--{name.replace('_', '-')}', **kw['{name}'])\n"
            for name in [
                "color",
                "hue",
                "maybe",
                "loader",
                "size",
                "max_model_len",
                "tokens",
                "share",
                "names",
                "sizes",
                "pair",
                "inner",
                "extra",
                "over",
                "box",
                "token",
                "fast",
                "old",
                "allow_deprecated",
            ]
        )
        + "        group.add_argument('--short', '-s', **{**kw['size'], 'default': None})\n"
        "        kw['color']['choices'].remove('blue')\n"
        "        group.add_argument('--only-red', **kw['color'])\n"
        "        kw['maybe']['choices'] += [x for x in compute()]\n"
        "        group.add_argument('--open', **kw['maybe'])\n"
        "        folded = kw['hue']\n"
        "        folded['type'] = lambda s: s.lower().replace('-', '_')\n"
        "        group.add_argument('--folded', **folded)\n"
        "        cache = get_kwargs(CacheConfig)\n"
        "        cache_group = parser.add_argument_group(title='CacheConfig')\n"
        "        cache_group.add_argument('--block', **cache['block'])\n"
        "        parser.add_argument('--level', choices=get_args(Color), default='red', help='Is deprecated: see --fast.')\n"
        "        parser.add_argument('--spec', type=optional_type(json.loads), default=None)\n"
        "        parser.add_argument('--quiet', action='store_true', help='Say ' 'less.')\n"
        "        parser.add_argument('--gone', action=DeprecatedThing)\n"
        "        return parser\n"
        "class AsyncEngineArgs(EngineArgs):\n"
        "    enable_log: bool = False\n"
        "    @staticmethod\n"
        "    def add_cli_args(parser, async_args_only=False):\n"
        "        load_general_plugins()\n"
        "        if not async_args_only:\n"
        "            parser = EngineArgs.add_cli_args(parser)\n"
        "        parser.add_argument('--enable-log', action=argparse.BooleanOptionalAction,\n"
        "                            default=AsyncEngineArgs.enable_log)\n"
        "        current_platform.pre_register_and_update(parser)\n"
        "        return parser\n"
    ),
    "vllm/entrypoints/openai/cli_args.py": (
        "import json\n"
        "from dataclasses import field\n"
        "import vllm.envs as envs\n"
        "from vllm.config.utils import config\n"
        "from vllm.engine.arg_utils import AsyncEngineArgs\n"
        "@config\n"
        "class BaseFrontendArgs:\n"
        "    api_key: list[str] | None = None\n"
        "    log_file: str | None = envs.LOG_FILE\n"
        "    @classmethod\n"
        "    def _customize(cls, kwargs):\n"
        "        kwargs['api_key']['type'] = optional_type(str)\n"
        "        return kwargs\n"
        "    @classmethod\n"
        "    def add_cli_args(cls, parser):\n"
        "        from vllm.engine.arg_utils import get_kwargs\n"
        "        kwargs = get_kwargs(cls)\n"
        "        kwargs = cls._customize(kwargs)\n"
        "        group_name = cls.__name__.replace('Args', '')\n"
        "        group = parser.add_argument_group(title=group_name, description=cls.__doc__)\n"
        "        for key, value in kwargs.items():\n"
        "            extra = value.pop('flags', [])\n"
        "            group.add_argument(*extra, f\"--{key.replace('_', '-')}\", **value)\n"
        "        return parser\n"
        "@config\n"
        "class FrontendArgs(BaseFrontendArgs):\n"
        "    port: int = 8000\n"
        "    origins: list[str] = field(default_factory=lambda: ['*'])\n"
        "    middleware: list[str] = field(default_factory=lambda: [])\n"
        "    @classmethod\n"
        "    def _customize(cls, kwargs):\n"
        "        kwargs = super()._customize(kwargs)\n"
        "        kwargs['origins']['type'] = json.loads\n"
        "        del kwargs['origins']['nargs']\n"
        "        kwargs['middleware']['action'] = 'append'\n"
        "        if 'nargs' in kwargs['middleware']:\n"
        "            del kwargs['middleware']['nargs']\n"
        "        return kwargs\n"
        "def make_arg_parser(parser):\n"
        "    parser.add_argument('model_tag', type=str, nargs='?')\n"
        "    parser.add_argument('--count', '-c', type=int, default=None)\n"
        "    parser = FrontendArgs.add_cli_args(parser)\n"
        "    parser = AsyncEngineArgs.add_cli_args(parser)\n"
        "    return parser\n"
    ),
}

EXPECTED: dict[str, dict[str, Any]] = {
    "--count": {"kind": "int", "aliases": ["-c"], "default": None, "group": "general"},
    "--api-key": {"kind": "list", "items": "str", "words": ["None"], "group": "Frontend"},
    "--log-file": {"kind": "str", "words": ["None"], "defaultText": "envs.LOG_FILE", "default": None},
    "--port": {"kind": "int", "default": 8000, "definedAt": "vllm/entrypoints/openai/cli_args.py:27"},
    "--origins": {"kind": "json", "default": ["*"]},
    "--middleware": {"kind": "str", "repeatable": True, "default": []},
    "--color": {"kind": "str", "choices": ["blue", "red"], "default": "red", "group": "ModelConfig"},
    "--hue": {"kind": "str", "knownValues": ["blue", "red"]},
    "--maybe": {"kind": "str", "choices": ["blue", "red"], "words": ["None"]},
    "--loader": {"kind": "str", "default": "auto"},
    "--size": {"kind": "int", "default": 4096, "bounds": {"ge": 1, "le": 9999}},
    "--max-model-len": {"kind": "int", "suffixes": True, "words": ["auto"]},
    "--tokens": {"kind": "int", "suffixes": True, "words": ["None"]},
    "--share": {"kind": "float", "default": 0.5},
    "--names": {"kind": "list", "items": "str"},
    "--sizes": {"kind": "list", "items": "int", "default": []},
    "--pair": {"kind": "list", "items": "int", "default": [1, 2]},
    "--inner": {"kind": "json", "words": ["None"]},
    "--extra": {"kind": "json", "default": {}},
    "--over": {"kind": "str", "default": ""},
    "--box": {"kind": "json", "defaultText": "Box()"},
    "--token": {"kind": "str", "valueOptional": True},
    "--fast": {"kind": "bool", "negation": "--no-fast", "default": True},
    "--old": {"kind": "bool", "deprecated": "Deprecated: use fast."},
    "--short": {"kind": "int", "aliases": ["-s"], "default": None, "bounds": {"ge": 1, "le": 9999}},
    "--only-red": {"choices": ["red"]},
    "--open": {"kind": "str", "knownValues": ["blue", "red"]},
    "--folded": {"kind": "str", "folded": True},
    "--block": {"kind": "int", "group": "CacheConfig", "definedAt": "vllm/config/cache.py:4"},
    "--level": {"choices": ["red", "blue"], "deprecated": "Is deprecated: see --fast.", "group": "general"},
    "--spec": {"kind": "json", "words": ["None"]},
    "--quiet": {"kind": "bool", "default": False},
    "--gone": {"deprecated": "deprecated"},
    "--enable-log": {"kind": "bool", "negation": "--no-enable-log", "default": False},
}  # fmt: skip
ABSENT = {"--quiet": "negation", "--open": "choices", "--allow-deprecated": "deprecated", "--loader": "knownValues"}


@pytest.fixture(scope="module")
def flags() -> dict[str, dict[str, Any]]:
    return {flag["name"]: flag for flag in extract(TREE.get)}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_way_of_declaring_a_flag_is_understood(flags: dict[str, dict[str, Any]], name: str) -> None:
    assert {key: flags[name].get(key) for key in EXPECTED[name]} == EXPECTED[name]


@pytest.mark.parametrize("name", ABSENT)
def test_what_a_flag_does_not_have_is_not_written(flags: dict[str, dict[str, Any]], name: str) -> None:
    assert ABSENT[name] not in flags[name]


def test_every_flag_and_nothing_else_is_found(flags: dict[str, dict[str, Any]]) -> None:
    assert set(flags) == set(EXPECTED) | {"--allow-deprecated"}


def test_the_place_of_a_flag_is_a_line_that_adds_it(flags: dict[str, dict[str, Any]]) -> None:
    path, line = flags["--spec"]["readAt"].split(":")
    assert "'--spec'" in TREE[path].splitlines()[int(line) - 1]


def test_a_tree_of_another_shape_is_an_error_that_says_what_is_missing() -> None:
    tree: dict[str, str] = {}
    with pytest.raises(ExtractionError, match="make_arg_parser"):
        extract(tree.get)
    tree["vllm/entrypoints/openai/cli_args.py"] = "def make_arg_parser(p): ...\n"
    with pytest.raises(ExtractionError, match=r"vllm\.engine\.arg_utils"):
        extract(tree.get)
    tree["vllm/engine/arg_utils.py"] = ""
    with pytest.raises(ExtractionError, match="no flags"):
        extract(tree.get)


def test_a_table_is_written_whole_from_a_wheel_and_says_which(tmp_path: Path) -> None:
    wheel = tmp_path / "vllm_tpu-1.2.3-cp312-cp312-manylinux_2_24_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        for name, text in TREE.items():
            out.writestr(name, text)
    written = write_table(wheel, today=TODAY, data_dir=tmp_path)
    content = json.loads(written.read_text(encoding="utf-8"))
    assert written == tmp_path / "vllm_flags" / "1.2.3.json"
    assert content["wheel"]["version"] == "1.2.3"
    assert content["wheel"]["date"] == "2026-11-24"
    assert len(content["flags"]) == len(EXPECTED) + 1
    assert [file.name for file in written.parent.iterdir()] == ["1.2.3.json"], "no half-written file is left"


def test_a_wheel_of_something_else_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "requests-2.0.0-py3-none-any.whl"
    wheel.touch()
    with pytest.raises(ExtractionError, match="not a wheel of vllm"):
        table(wheel, today=TODAY)


def _wheel() -> Path | None:
    folder = os.environ.get("TPU_SERVING_WHEELS")
    return next(iter(sorted(Path(folder).glob("vllm_tpu-0.32.0-*.whl"))), None) if folder else None


@pytest.mark.skipif(
    _wheel() is None,
    reason="no wheel: pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_24_x86_64 "
    "-d DIR vllm-tpu==0.32.0, then TPU_SERVING_WHEELS=DIR",
)
def test_the_committed_table_is_what_the_wheel_gives() -> None:
    wheel = _wheel()
    assert wheel is not None
    committed = json.loads((DATA_DIR / "vllm_flags" / "0.32.0.json").read_text(encoding="utf-8"))
    fresh = table(wheel, today=datetime.date.fromisoformat(committed["wheel"]["date"]))
    assert fresh == committed
