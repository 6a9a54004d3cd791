"""The life of the server: port, start in phases, serving, end. Source: vllm 0.27.0 entrypoints/{openai/api_server,launcher}.py."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from rehearsal.model_server import log, ray_cluster
from rehearsal.model_server.blocks import Blocks
from rehearsal.model_server.engine import Engine
from rehearsal.model_server.metrics import Metrics
from rehearsal.model_server.options import Options
from rehearsal.model_server.routes import Routes

_HEADER_LIMIT = 4194304  # vllm's --h11-max-incomplete-event-size
_KEEP_ALIVE = 5  # VLLM_HTTP_TIMEOUT_KEEP_ALIVE
_BACKLOG = 2048  # uvicorn's
# So long the last events of a drained server may take to be read; the real one waits until it is killed.
_FLUSH_SECONDS = 5.0
_RAY_WATCH_SECONDS = 1.0


class EngineError(Exception):
    """The engine can't go on; the message says why. The process ends with 1."""


def run(options: Options, version: str) -> int:
    """Serve until SIGTERM or SIGINT. The exit code."""
    # Bound but not listening: whoever connects before the engine is ready is refused.
    try:
        sock = _bind(options)
        context = _tls(options)
    except OSError as problem:
        log.error(f"{type(problem).__name__}: {problem} (address {options.host}:{options.port}, TLS files if given)")
        return 1
    with sock, asyncio.Runner() as runner:
        try:
            runner.run(_serve(options, version, sock, context))
        except EngineError as problem:
            log.error(f"EngineCore encountered a fatal error. {problem}")
            return 1
    return 0


def _bind(options: Options) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((options.host, options.port))
    except OSError:
        sock.close()
        raise
    return sock


def _tls(options: Options) -> ssl.SSLContext | None:
    if not options.certificate_file or not options.key_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate_file, options.key_file)
    return context


async def _serve(options: Options, version: str, sock: socket.socket, context: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if not await _or_stop(_start(options, version), stop):
        log.info("terminated before the engine was ready")
        return
    metrics = Metrics(options.names[0])
    metrics.cache_config(options.block_size, options.num_gpu_blocks, options.prefix_caching)
    if options.max_loras:
        metrics.lora(options.max_loras)
    blocks = Blocks(options.num_gpu_blocks, options.block_size, options.prefix_caching)
    engine = Engine(blocks, options.timing, options.max_num_seqs, metrics)
    runner = _runner(Routes(options, engine, metrics, version).application(), options)
    await runner.setup()
    port = sock.getsockname()[1]
    log.info(f"Starting vLLM server on {options.scheme}://{options.host}:{port}")
    await web.SockSite(runner, sock, ssl_context=context, backlog=_BACKLOG).start()
    log.info("Application startup complete.")
    worker = loop.create_task(engine.run())
    try:
        await _or_stop(_watch_workers(options), stop)
        await _drain(options, engine)
    finally:
        worker.cancel()
        await runner.cleanup()
    log.info("[shutdown] API server: HTTP server stopped")


async def _or_stop(work: object, stop: asyncio.Event) -> bool:
    """Run until done (True) or until `stop` is set (False)."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    waiter = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
        return False
    task.result()
    return True


async def _start(options: Options, version: str) -> None:
    """The measured time line after the download: until the server is up, then the compilation."""
    timing = options.timing
    log.info(f"rehearsal model server: times are {timing.speed:g} times shorter than measured, answers are synthetic")
    await asyncio.sleep(timing.server_seconds)
    log.info(f"vLLM server version {version}, serving model {options.model}")
    nodes = ray_cluster.nodes_here() if options.ray_nodes else 1
    if options.ray_nodes > 1 and nodes != options.ray_nodes:
        raise EngineError(
            f"AssertionError: Cannot use PP across hosts, please set --pipeline-parallel-size to 1 or {nodes}"
        )
    log.info(f"Init model | weights from {options.model} are not read (rehearsal)")
    await asyncio.sleep(timing.compile_seconds)
    log.info(f"GPU KV cache size: {options.num_gpu_blocks * options.block_size:,} tokens")
    log.info(f"init engine (profile, create kv cache, warmup model) took {timing.compile_seconds:.2f} s")


async def _watch_workers(options: Options) -> None:
    """For ever; raises EngineError when a worker of a multi-host slice is gone."""
    while True:
        await asyncio.sleep(_RAY_WATCH_SECONDS if options.ray_nodes > 1 else 3600)
        if options.ray_nodes > 1 and await asyncio.to_thread(ray_cluster.nodes_here) < options.ray_nodes:
            raise EngineError("RayWorkerProc died unexpectedly, shutting down executor.")


async def _drain(options: Options, engine: Engine) -> None:
    """--shutdown-timeout 0 aborts what runs; else it may finish in that time, and new requests are aborted at once."""
    mode = "drain" if options.shutdown_timeout else "abort"
    log.info(f"[shutdown] EngineCore: start mode={mode} in-flight requests count={engine.unfinished}")
    engine.draining = True
    if options.shutdown_timeout:
        try:
            async with asyncio.timeout(options.shutdown_timeout):
                await engine.until_idle()
        except TimeoutError:
            log.warning(f"[shutdown] time is up, {engine.unfinished} requests are cut")
            engine.end_all("cut")
    else:
        engine.end_all("abort")
    log.info("[shutdown] EngineCore: request processing complete; starting resource teardown")


class _AccessLog(AbstractAccessLogger):
    """uvicorn's lines: one a request, but for the paths of --disable-access-log-for-endpoints; a warning for bytes that
    are no HTTP, TLS for instance."""

    quiet: frozenset[str] = frozenset()

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write it."""
        if request.method == "UNKNOWN":  # aiohttp's name for what it could not read
            print("WARNING:  Invalid HTTP request received.", flush=True)
        elif request.path not in self.quiet:
            line = f'{request.remote} - "{request.method} {request.path_qs} HTTP/1.1" {response.status}'
            print(f"INFO:     {line}", flush=True)


def _runner(app: web.Application, options: Options) -> web.AppRunner:
    kind = type("_AccessLog", (_AccessLog,), {"quiet": options.quiet_paths})
    return web.AppRunner(
        app,
        access_log_class=kind,
        access_log=logging.getLogger("rehearsal.model_server.access") if options.access_log else None,
        handler_cancellation=True,
        keepalive_timeout=_KEEP_ALIVE,
        max_line_size=_HEADER_LIMIT,
        max_field_size=_HEADER_LIMIT,
        shutdown_timeout=_FLUSH_SECONDS,
    )
