"""What is said of files in the shape of public reports, and of popular models on sensible slices.

A file of `inputs/` says in its second comment what is right: accepted, warned or refused, and by which rules.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from catalog.runtimes import matrix_says
from checks.environment import check
from checks.objects import context_of, on_objects
from manifests.llm_inference_service import llm_inference_service
from manifests.rendered import rendered
from manifests.route import http_route
from settings.derive import GIB, Deployment, ServedModel
from settings.document import Document, read_document
from settings.refusal import Finding, refusals, warnings

HERE = Path(__file__).parent
INPUTS = sorted((HERE / "inputs").glob("*.yaml"))
POPULAR: list[dict[str, Any]] = yaml.safe_load((HERE / "popular.yaml").read_text(encoding="utf-8"))
ZONES = {"v6e": "us-east5-b", "tpu7x": "us-central1-c"}


class Answer(NamedTuple):
    """What is said of a file."""

    verdict: str
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.verdict} {', '.join(self.rules)}".rstrip()


def answer(found: list[Finding]) -> Answer:
    """Refused, or else warned, or else accepted; by the rules of that level."""
    refused, warned = refusals(found), warnings(found)
    rules = tuple(sorted({f.rule for f in refused or warned}))
    return Answer("refused" if refused else "warned" if warned else "accepted", rules)


def right(path: Path) -> Answer:
    """What the file itself says is right."""
    words = re.search(r"^# right: (\w+)(?: by (.+))?$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert words is not None, f"{path.name} does not say what is right"
    return Answer(words[1], tuple(sorted(words[2].split(", "))) if words[2] else ())


def test_every_input_has_its_right_answer_in_three_tables(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {path: answer(check(read_document(path))[1]) for path in INPUTS}
    with capsys.disabled():
        for verdict in ("accepted", "warned", "refused"):
            mine = [path for path in INPUTS if answers[path].verdict == verdict]
            print(f"\n{verdict} ({len(mine)} of {len(INPUTS)})")
            for path in mine:
                note = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
                print(f"  {path.stem:22} {', '.join(answers[path].rules):12} {note}")
    assert {path.stem: str(a) for path, a in answers.items()} == {path.stem: str(right(path)) for path in INPUTS}
    assert {a.verdict for a in answers.values()} == {"accepted", "warned", "refused"} and len(INPUTS) >= 40


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_what_is_said_of_an_input_says_what_to_write(path: Path) -> None:
    for finding in check(read_document(path))[1]:
        assert finding.line is not None, finding
        assert finding.fix and finding.consequence and finding.source, finding


def planned(row: dict[str, Any], **keys: Any) -> tuple[Deployment, ServedModel, list[Finding]]:
    """The environment of a row, with more keys of its model, and what is said of it."""
    generation, topology = row["slice"].split()
    model = {"name": "model", "source": f"hf://{row['model']}", "tpu": {"generation": generation, "topology": topology}}
    token = {"huggingFaceToken": {"kubernetesSecret": {"name": "hf-token"}}}
    data = {
        "project": {"id": "example-project"},
        "location": {"zone": ZONES[generation]},
        "models": [model | token | keys],
    }
    deployment, found = check(Document("popular", "popular.yaml", data))
    assert deployment is not None
    return deployment, deployment.models[0], found


@pytest.mark.parametrize("row", POPULAR, ids=lambda row: f"{row['model']} on {row['slice']}")
def test_what_is_said_of_a_popular_model_is_what_upstream_says(row: dict[str, Any]) -> None:
    deployment, model, found = planned(row)
    assert refusals(found) == []
    assert sorted({f.rule for f in found}) == row["says"]
    assert (model.shape.devices, model.backend, model.task) == (row["devices"], row["backend"], row["task"])
    assert round((model.weights_bytes or 0) / GIB, 1) == row["weightsGib"]
    assert model.known is not None
    asked = row.get("family", row["model"])
    assert matrix_says(asked, model.shape.generation) == row.get("matrix", "passing" if "family" in row else None)
    container = llm_inference_service(deployment, model)["spec"]["template"]["containers"][0]
    assert f"--tensor-parallel-size={row['devices']}" in container["args"]


def args_and_variables(model: str, slice_: str, **keys: Any) -> tuple[list[str], dict[str, str]]:
    """Arguments and variables of the server of a model."""
    deployment, served, found = planned({"model": model, "slice": slice_}, **keys)
    assert refusals(found) == []
    container = llm_inference_service(deployment, served)["spec"]["template"]["containers"][0]
    return container["args"], {v["name"]: v.get("value", "") for v in container["env"]}


def test_a_family_gets_the_switches_without_which_it_does_not_start() -> None:
    args, variables = args_and_variables("deepseek-ai/DeepSeek-R1", "tpu7x 2x2x1")
    assert (variables["MODEL_IMPL_TYPE"], variables["NEW_MODEL_DESIGN"]) == ("vllm", "1")
    assert any(arg.startswith("--additional-config=") and "enable_dp_attention" in arg for arg in args)


def test_a_model_of_images_gets_a_batch_of_one_image_and_no_chunked_input() -> None:
    args, _ = args_and_variables("Qwen/Qwen2.5-VL-7B-Instruct", "v6e 1x1")
    assert {"--disable-chunked-mm-input", "--max-num-batched-tokens=16384"} <= set(args)


def test_adapters_are_words_of_their_own_on_torchax_and_with_the_token_they_may_need() -> None:
    flags = {"enable-lora": True, "lora-modules": ["sql=example/sql", {"name": "chat", "path": "/mnt/chat"}]}
    args, variables = args_and_variables("meta-llama/Llama-3.1-8B-Instruct", "v6e 1x1", serverFlags=flags)
    at = args.index("--lora-modules")
    assert args[at + 1 : at + 3] == ["sql=example/sql", '{"name": "chat", "path": "/mnt/chat"}']
    assert variables["MODEL_IMPL_TYPE"] == "vllm" and "HF_TOKEN" in variables


def test_yarn_is_said_in_the_words_of_both_versions() -> None:
    rope = {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}
    args, _ = args_and_variables("Qwen/Qwen3-32B", "v6e 2x4", serverFlags={"hf-overrides": rope}, contextLength=131072)
    [overrides] = [arg.partition("=")[2] for arg in args if arg.startswith("--hf-overrides=")]
    assert yaml.safe_load(overrides) == {"max_position_embeddings": 131072, **rope}


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        ("Qwen/Qwen3-32B", ["/v1/audio"]),
        ("Qwen/Qwen3-Embedding-8B", ["/v2/embed", "/pooling"]),
        ("Qwen/Qwen3-Reranker-8B", ["/v1/rerank", "/v2/rerank", "/rerank", "/v1/score", "/score"]),
    ],
)
def test_paths_that_no_parser_of_the_picker_claims_go_to_the_service(model: str, paths: list[str]) -> None:
    deployment, served, _ = planned({"model": model, "slice": "v6e 2x4"})
    rules = http_route(deployment, served)["spec"]["rules"]
    places = {
        rule["matches"][0]["path"]["value"]: (
            rule["backendRefs"][0]["kind"],
            rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"],
        )
        for rule in rules
    }
    past = {f"/llm-serving/model{path}": ("Service", path) for path in ("/tokenize", "/detokenize", *paths)}
    assert places == {**past, "/llm-serving/model": ("InferencePool", "/")}
    assert refusals(on_objects(rendered(deployment).objects(), context=context_of(deployment))) == []


@pytest.mark.parametrize(
    ("model", "path", "pooling"),
    [
        ("Qwen/Qwen3-32B", "/v1/chat/completions", False),
        ("Qwen/Qwen3-Embedding-8B", "/v1/embeddings", True),
        ("Qwen/Qwen3-Reranker-8B", "/v1/rerank", True),
    ],
)
def test_the_task_decides_where_clients_ask_and_how_the_server_runs(model: str, path: str, pooling: bool) -> None:
    deployment, served, _ = planned({"model": model, "slice": "v6e 2x4"})
    container = llm_inference_service(deployment, served)["spec"]["template"]["containers"][0]
    assert served.request_path == path
    assert ("--runner=pooling" in container["args"]) == pooling
