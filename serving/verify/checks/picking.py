"""Whether requests with one beginning go to one replica: probes, against the servers' and the picker's own counters."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping

from cluster.errors import CannotAskError
from serving.checking.findings import Finding, failed, passed, unknown, warned
from serving.live.context import Context
from serving.live.http_client import Request
from serving.live.request_errors import RequestError
from serving.live.servers import (
    metric_sums,
    metrics_page,
    picker_page,
    picker_token,
    pickers,
    prefix_share,
    ready_servers,
)
from serving.verify.checks.traffic import ANSWER_FAILURES, chat_body, for_each_model
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.outputs import ModelOutput

# Servers cache blocks of 16 to 128 tokens; a word is a token or more.
_SENTENCE, _SENTENCES = "The same beginning for every probe. ", 100
_PROBES = 6
# Share of the hits that one server must have, and of the tokens that could be hits at all.
_SHARE, _LEAST = 0.8, 0.25
_HITS = "vllm:prefix_cache_hits_total"
# Sum and count of a histogram.
_Shares = tuple[float, float]


@check(
    "picking",
    "Same beginnings go to the same replica",
    "probes with one long prefix, against vllm:prefix_cache_hits of every server and the picker's prefix_indexer_hit_ratio",
    (
        *KUBERNETES_FAILURES,
        *ANSWER_FAILURES,
        "one-replica",
        "prefix-spread",
        "no-prefix-hits",
        "picker-sees-no-prefix",
        "counters-not-readable",
    ),
    traffic=True,
    requests=_PROBES,
)
def picking(context: Context) -> Iterator[Finding]:
    """All hits of the probes are counted by one server, and the picker knew the prefix."""

    def ask(model: ModelOutput, url: str) -> Finding:
        if not _scores_prefixes(model):
            return passed(url, "the picker's configuration scores no prefixes: nothing to check")
        if (model.replicas if model.min_replicas is None else model.min_replicas) < 2 and _few(context, model):
            return warned("one-replica", url, "with one replica there is nothing to pick")
        return _probe(context, model, url)

    yield from for_each_model(context, ask)


def _few(context: Context, model: ModelOutput) -> bool:
    """Whether fewer than two run now: replicas that follow load or clock may be one."""
    return model.replicas < 2 or len(_counters(context, model)) < 2


def _scores_prefixes(model: ModelOutput) -> bool:
    plugins = model.scheduler.get("plugins") or []
    return any("prefix-cache" in str(plugin.get("type")) for plugin in plugins)


def _probe(context: Context, model: ModelOutput, url: str) -> Finding:
    before = _counters(context, model)
    if len(before) < 2:
        return unknown("counters-not-readable", url, f"{len(before)} of {model.replicas} servers have counters to read")
    scored = _picker(context, model)
    prompt = f"{secrets.token_hex(8)} " + _SENTENCE * _SENTENCES
    tokens = 0
    for number in range(_PROBES):
        body = chat_body(model, f"{prompt}\nQuestion {number}: what is {number} plus one?", 1)
        answer = context.client.ask(Request("POST", f"{url}/v1/chat/completions", body))
        tokens = int((answer.get("usage") or {}).get("prompt_tokens") or 0)
    after = _counters(context, model)
    hits = {pod: after[pod] - before[pod] for pod in before if pod in after}
    return _judge(url, hits, tokens, scored, _picker(context, model))


def _judge(
    url: str, hits: Mapping[str, float], prompt_tokens: int, before: _Shares | None, after: _Shares | None
) -> Finding:
    total, best = sum(hits.values()), max(hits.values(), default=0.0)
    spread = ", ".join(f"{pod} {int(count)}" for pod, count in sorted(hits.items()))
    # The first probe finds nothing, and a prompt's last block is never a hit.
    if total < _LEAST * (_PROBES - 1) * prompt_tokens:
        text = f"{_PROBES} probes of {prompt_tokens} tokens with one prefix; hits in tokens: {spread}"
        return failed("no-prefix-hits", url, text)
    if best < _SHARE * total:
        return failed("prefix-spread", url, f"hits of {_PROBES} probes with one prefix, in tokens: {spread}")
    said = f"{best / total:.0%} of the hits on one of {len(hits)} replicas"
    if before is None or after is None:
        return passed(url, f"{said}; the picker's own counters can't be read")
    found, looks = after[0] - before[0], after[1] - before[1]
    if found <= 0:
        text = f"{said}, but the picker found no part of the prefix in {looks:.0f} looks"
        return failed("picker-sees-no-prefix", url, text)
    return passed(url, f"{said}; the picker knew the prefix")


def _picker(context: Context, model: ModelOutput) -> _Shares | None:
    """Shares of prompts that all pickers of a model found so far; None where one does not say."""
    shares = []
    try:
        # The API server would not pass it on.
        token = picker_token(context) if context.target.rehearsal else None
        for pod in pickers(context, model):
            shares.append(prefix_share(picker_page(context, pod, token)))
    except (CannotAskError, RequestError, ValueError):
        return None
    known = [share for share in shares if share is not None]
    return (sum(found for found, _ in known), sum(looks for _, looks in known)) if known else None


def _counters(context: Context, model: ModelOutput) -> dict[str, float]:
    """Tokens found in the prefix cache so far, by ready server."""
    found = {}
    for pod in ready_servers(context, model):
        try:
            found[pod["metadata"]["name"]] = metric_sums(metrics_page(context, pod), [_HITS])[_HITS]
        except (CannotAskError, RequestError, KeyError, ValueError):
            continue
    return found
