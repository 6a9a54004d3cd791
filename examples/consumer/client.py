"""Asks a model once a minute and prints the answer; with `--once`, until it has had one. Needs only Python."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request


def ask(question: str) -> str:
    """The model's answer."""
    body = {"model": os.environ["MODEL"], "messages": [{"role": "user", "content": question}], "max_tokens": 32}
    request = urllib.request.Request(  # noqa: S310 - the URL is an output of the serving stack
        f"{os.environ['URL']}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    authority = os.environ.get("CA_CERTIFICATE")
    context = ssl.create_default_context(cadata=authority) if authority else None
    timeout = float(os.environ.get("TIMEOUT_SECONDS", "60"))
    with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:  # noqa: S310
        return str(json.load(answer)["choices"][0]["message"]["content"])


def main(once: bool) -> None:
    """Until it is told to end, or has its answer; an error is printed and asked again sooner."""
    while True:
        try:
            print(f"{os.environ['MODEL']}: {ask('Say hello.')}", flush=True)
            if once:
                return
            time.sleep(60)
        except (OSError, ValueError, KeyError, IndexError) as error:
            print(f"{os.environ['URL']}: {error}", flush=True)
            time.sleep(2)


if __name__ == "__main__":
    main(once="--once" in sys.argv)
