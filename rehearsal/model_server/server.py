"""The life of the server: start in phases, serving, end. Source: vllm 0.27.0 entrypoints/{openai/api_server,launcher}.py."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
from contextlib import suppress

from aiohttp import web

from catalog.lock import runtime_version
from rehearsal.model_server import bucket, ray
from rehearsal.model_server.engine import Engine, Metrics
from rehearsal.model_server.options import Options
from rehearsal.model_server.routes import Routes

log = logging.getLogger(__name__)

_BACKLOG = 2048  # uvicorn's
_RAY_WATCH_SECONDS = 1.0
# So long the last events of a drained server may take to be read; the real one waits until it is killed.
_FLUSH_SECONDS = 2.0


def run(options: Options) -> None:
    """Serve until SIGTERM. Raises SystemExit (1) where the engine fails."""
    with suppress(asyncio.CancelledError):
        asyncio.run(_serve(options))


async def _serve(options: Options) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await _start(options)
    metrics = Metrics(options)
    engine = Engine(options, metrics)
    application = Routes(options, engine, metrics).application()
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=_FLUSH_SECONDS)
    await runner.setup()
    log.info(f"Starting vLLM server on http://{options.host}:{options.port}")
    await web.TCPSite(runner, options.host, options.port, backlog=_BACKLOG).start()
    log.info("Application startup complete.")
    try:
        await _watch_workers(options)
    except asyncio.CancelledError:
        task.uncancel()
        await _drain(options, engine)
    finally:
        await runner.cleanup()


async def _start(options: Options) -> None:
    """The measured time line after the download: until the server is up, then the compilation."""
    timing = options.timing
    log.info(f"rehearsal model server: times are {timing.speed:g} times shorter than measured, answers are synthetic")
    await asyncio.sleep(timing.server_seconds)
    log.info(f"vLLM server version {runtime_version()}, serving model {options.model}")
    if options.ray_hosts:
        _insist_on_hosts(options, len(ray.nodes()))
    if options.streamed:
        try:
            found = await asyncio.to_thread(bucket.listed, options.model, ".safetensors")
        except OSError as error:
            raise SystemExit(f"google.api_core.exceptions.Forbidden: {options.model}: {error}") from None
        if not found:
            raise SystemExit(f"RuntimeError: Cannot find any safetensors model weights with `{options.model}`")
        log.info(f"[RunAI Streamer] {len(found)} files of {options.model} are there, not read (rehearsal)")
    else:
        log.info(f"Init model | weights from {options.model} are not read (rehearsal)")
    seconds = await _compile(options)
    log.info(f"GPU KV cache size: {options.num_blocks * options.block_size:,} tokens")
    log.info(f"init engine (profile, create kv cache, warmup model) took {seconds:.2f} s")


async def _compile(options: Options) -> float:
    """Compile, or read what was compiled. A cache that is closed costs time and a warning, never the start. Seconds."""
    key = f"{options.model} {options.devices} {options.max_model_len} {options.max_num_seqs} {options.block_size}"
    program = f"jit_step_fun-{hashlib.sha256(key.encode()).hexdigest()[:16]}-cache"
    shared, warm = options.cache.startswith("gs://"), False
    try:
        warm = shared and bool(await asyncio.to_thread(bucket.listed, options.cache, program))
    except OSError as error:
        log.warning(f"Error reading persistent compilation cache entry for 'jit_step_fun': {error}")
    if shared:
        log.info(f"Persistent compilation cache {'hit' if warm else 'miss'} for 'jit_step_fun' in {options.cache}")
    seconds = options.timing.compile_seconds * (options.timing.warm_share if warm else 1)
    await asyncio.sleep(seconds)
    if shared and not warm:
        try:
            await asyncio.to_thread(bucket.keep, options.cache, program)
        except OSError as error:
            log.warning(f"Error writing persistent compilation cache entry for 'jit_step_fun': {error}")
    return seconds


def _insist_on_hosts(options: Options, joined: int) -> None:
    """What the runtime's runner refuses of the hosts that have joined. Raises SystemExit."""
    found = options.devices * joined // options.ray_hosts
    if found < options.devices:
        text = f"Insufficient devices for 2D mesh: found {found}, expected {options.devices}"
        raise SystemExit(f"EngineCore encountered a fatal error. ValueError: {text}")


async def _watch_workers(options: Options) -> None:
    """For ever; raises SystemExit when a worker of a multi-host slice is gone."""
    while True:
        await asyncio.sleep(_RAY_WATCH_SECONDS)
        if options.ray_hosts > 1 and len(await asyncio.to_thread(ray.nodes)) < options.ray_hosts:
            raise SystemExit("RayWorkerProc died unexpectedly, shutting down executor.")


async def _drain(options: Options, engine: Engine) -> None:
    """Requests that run or wait may finish within --shutdown-timeout, new ones are aborted; the rest is cut."""
    engine.draining = True
    log.info("[shutdown] EngineCore: start mode=drain")
    with suppress(TimeoutError):
        async with asyncio.timeout(options.shutdown_timeout):
            await engine.idle.wait()
