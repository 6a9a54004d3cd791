"""Fills a bucket with the weights of a model, and checks before a server starts that they are whole.

Runs in a Job (`fill`) and in an init container (`check`); standard library only. Nothing is ever deleted: an object is
replaced at the moment its new content is whole. The marker is written last.
"""

import argparse
import fnmatch
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from stores import Bucket, Hub, Patience, Refused, Torn, checked, say

# What the streamer does not read: other formats of the same weights, and what git alone needs.
UNREAD = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.onnx_data", "*.ot", ".git*")
INDEX = "model.safetensors.index.json"
TRIES = 4
GIB = 1024**3
# So long a role or the metadata server may still be on its way. Then the container ends, so that its status says what is
# missing, and is started again: a role takes up to seven minutes to be in force.
DENIED_SECONDS = 60


def wanted(files, hub):
    """The files that a server reads: safetensors of the index, or all of the top folder, and every small file beside."""
    read = {name: file for name, file in files.items() if not any(fnmatch.fnmatch(name, form) for form in UNREAD)}
    named = {name for name in read if name.endswith(".safetensors") and "/" not in name}
    if INDEX in read:
        content = b"".join(checked(hub.chunks(INDEX, read[INDEX]["size"]), read[INDEX]["size"], read[INDEX]["digest"]))
        try:
            named = set(json.loads(content)["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused(f"{INDEX} of the repository can't be read") from None
    if missing := sorted(named - set(read)):
        raise Refused(f"the index names {missing[0]}, which the repository does not have")
    if not named:
        raise Refused("the repository has no safetensors, and the streamer reads nothing else; leave `weights` out")
    return {name: file for name, file in read.items() if name in named or not name.endswith(".safetensors")}


def whole(entry, file):
    """True for an object that an earlier run brought in and compared, and that nobody has written to since."""
    labels = (entry or {}).get("metadata") or {}
    return labels.get("digest") == file["digest"] and labels.get("md5") == entry.get("md5Hash")


def problems(marker, listing, arguments):
    """What differs between the marker and the objects that are there, in words."""
    if not isinstance(marker.get("files"), dict):
        return ["the marker can't be read"]
    named = f"{marker.get('repository')}@{marker.get('revision')}"
    if named != f"{arguments.repository}@{arguments.revision}":
        return [f"the marker is of {named}"]
    if not all(isinstance(file, dict) and {"size", "md5"} <= set(file) for file in marker["files"].values()):
        return ["the marker can't be read"]
    found = []
    for name, file in sorted(marker["files"].items()):
        entry = listing.get(name)
        if entry is None:
            found.append(f"{name} is missing")
        elif int(entry["size"]) != file["size"]:
            found.append(f"{name} has {entry['size']} bytes, not {file['size']}")
        elif entry.get("md5Hash") != file["md5"]:
            found.append(f"{name} was replaced by something else")
    return found + [f"{name} does not belong there" for name in sorted(set(listing) - set(marker["files"]))]


def bring(name, file, hub, bucket, prefix):
    """One file from the Hub into the bucket, compared on both ends."""
    for attempt in range(1, TRIES + 1):
        chunks = checked(hub.chunks(name, file["size"]), file["size"], file["digest"])
        try:
            made = bucket.upload(prefix + name, file["size"], chunks)
            bucket.label(prefix + name, made["generation"], {"digest": file["digest"], "md5": made["md5Hash"]})
            return
        except Torn as error:
            say(f"{error} (attempt {attempt} of {TRIES})")
            if whole(bucket.stat(prefix + name), file):  # another filling was faster
                return
    raise Refused(f"{name} did not arrive whole in {TRIES} attempts")


def fill(arguments, hub, bucket):
    """Bring in what is not there yet, then write the marker."""
    where = f"gs://{arguments.bucket}/{arguments.prefix}"
    marker, listing = bucket.read(arguments.marker), bucket.list(arguments.prefix)
    if marker is not None:
        found = problems(marker, listing, arguments)
        if not found:
            say(f"{where}: filled already, {_size(listing.values())}")
            return
        say(f"{where}: {'; '.join(found[:5])}")
    files = wanted(hub.files(), hub)
    if foreign := sorted(set(listing) - set(files)):
        raise Refused(f"{where}{foreign[0]} is not of this revision; a server would read it too. Remove it")
    left = sorted((name for name in files if not whole(listing.get(name), files[name])), key=lambda n: files[n]["size"])
    say(f"{where}: {_size(files.values())}; {len(files) - len(left)} of them are there")
    with ThreadPoolExecutor(arguments.workers) as pool:
        running = {pool.submit(bring, name, files[name], hub, bucket, arguments.prefix): name for name in left}
        try:
            for count, done in enumerate(as_completed(running), 1):
                done.result()
                say(f"{count} of {len(left)}: {running[done]}, {_size([files[running[done]]])}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    listing = bucket.list(arguments.prefix)
    for name, file in files.items():
        if not whole(listing.get(name), file):
            raise Refused(f"{where}{name} is not whole, although it was written: somebody else writes there")
    entries = {
        name: {"size": file["size"], "digest": file["digest"], "md5": listing[name].get("md5Hash")}
        for name, file in files.items()
    }
    content = {"repository": arguments.repository, "revision": arguments.revision, "files": entries}
    bucket.write(arguments.marker, json.dumps(content, indent=1).encode())
    say(f"{where}: filled, {_size(files.values())}")


def check(arguments, bucket):
    """That a server finds whole weights of its revision, in words; raises Refused with what is wrong."""
    where = f"gs://{arguments.bucket}/{arguments.prefix}"
    bucket.look()
    marker = bucket.read(arguments.marker)
    if marker is None:
        raise Refused(f"{where}: not filled, there is no gs://{arguments.bucket}/{arguments.marker}. Run `pulumi up`")
    listing = bucket.list(arguments.prefix)
    if found := problems(marker, listing, arguments):
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise Refused(f"{where}: {'; '.join(found[:5])}{more}. Delete the Job that fills it and run `pulumi up --refresh`")
    return f"{where}: whole, {_size(listing.values())}"


def look_at_cache(arguments, bucket):
    """Whether compiled programs are there and can be written, in words. A server starts without them: nothing is refused."""
    where = f"gs://{arguments.bucket}/{arguments.cache}"
    try:
        count = sum(name != "writable" for name in bucket.list(arguments.cache))
        bucket.write(f"{arguments.cache}writable", b"{}")
    except Refused as error:
        return f"compile cache {where}: {error}; this server compiles by itself"
    return f"compile cache {where}: " + (f"warm, {count} entries" if count else "cold, this start fills it")


def _size(entries):
    sizes = [int(entry["size"]) for entry in entries]
    return f"{len(sizes)} file{'' if len(sizes) == 1 else 's'}, {sum(sizes) / GIB:.2f} GiB"


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("fill", "check"))
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--repository", help="ORG/NAME on the Hub")
    parser.add_argument("--revision", help="commit of the repository")
    parser.add_argument("--prefix", help="where the files lie, with a slash at its end")
    parser.add_argument("--marker", help="the object that says that they are whole")
    parser.add_argument("--cache", help="where compiled programs lie, with a slash at its end")
    parser.add_argument("--result", type=Path, help="where the last words are kept, for who reads the pod's status")
    parser.add_argument("--workers", type=int, default=4, help="files at once")
    return parser.parse_args(argv)


def main(argv=None, patience=Patience):
    """Exit code 0 where it is filled or whole, 1 with the reason where not."""
    arguments, said, ended = parse(argv), [], 0
    try:
        if arguments.prefix:
            patient = patience(DENIED_SECONDS)
            bucket = Bucket(arguments.bucket, patient)
            if arguments.command == "fill":
                fill(arguments, Hub(arguments.repository, arguments.revision, patient, os.environ.get("HF_TOKEN")), bucket)
            else:
                said.append(check(arguments, bucket))
        if arguments.cache:
            said.append(look_at_cache(arguments, Bucket(arguments.bucket, patience(DENIED_SECONDS))))
    except Refused as error:
        said.append(f"{error}{_advice(error.code)}")
        ended = 1
    say("\n".join(said))
    if arguments.result:
        arguments.result.write_text("\n".join(said), encoding="utf-8")
    return ended


def _advice(code):
    if code in (401, 403):
        return (
            ". Of a bucket: this account needs its roles there (docs/runbook/verify.md, weights-denied). Of the Hub: accept the "
            "model's licence, and name the token in huggingFaceToken"
        )
    return ". The bucket or the revision does not exist" if code == 404 else ""


if __name__ == "__main__":
    # The first process of a container has no default for it; an upload that ends here leaves no object.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    sys.exit(main())
