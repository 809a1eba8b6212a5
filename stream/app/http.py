"""What a worker answers over HTTP: metrics, health and status. Never a customer's data.

    /metrics   Prometheus text 0.0.4, or OpenMetrics 1.0.0 to who asks for it
    /livez     200 while the process is worth keeping; 503: start it anew
    /readyz    200 when every assigned partition is processed and committed; 503 else
    /status    JSON: what each partition is doing
    /version   JSON: what runs here

The body of `/livez` and `/readyz` names the failing checks; with `?verbose` it lists all of them. With an API token
all but the first three, be there such a path or not, answer 401 to who does not send it as `Authorization: Bearer`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from stream.app.exposition import metrics_handler

OPEN_PATHS = frozenset({"/metrics", "/livez", "/readyz"})
"""For scrapers and probes, which often can't hold a token: numbers and names of checks."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `detail` says what is wrong when it does not."""

    name: str
    ok: bool
    detail: str = ""


class WorkerStatus(Protocol):
    """What the routes ask of a worker. Called on the event loop: every method must be quick."""

    @property
    def registry(self) -> CollectorRegistry: ...
    def live_checks(self) -> list[Check]: ...
    def ready_checks(self) -> list[Check]: ...
    def status(self) -> dict[str, Any]: ...
    def version(self) -> dict[str, str]: ...


def add_routes(web_app: web.Application, state: WorkerStatus, token: SecretStr | None = None) -> None:
    """Add them, and if there is a `token` ask for it. Call before the application starts."""
    routes: dict[str, Handler] = {
        "/metrics": metrics_handler(state.registry),
        "/livez": _checked(state.live_checks),
        "/readyz": _checked(state.ready_checks),
        "/status": _told(state.status),
        "/version": _told(state.version),
    }
    for path, handler in routes.items():
        web_app.router.add_get(path, handler)
    if token is not None:
        web_app.middlewares.append(_guard(token))


def _guard(token: SecretStr) -> Middleware:
    """Before all routes, Faust's own included, so that none is forgotten."""
    expected = f"bearer {token.get_secret_value()}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN_PATHS:
            return await handler(request)
        scheme, _, given = request.headers.get("Authorization", "").strip().partition(" ")
        found = f"{scheme.lower()} {given.strip()}".encode(errors="surrogateescape")  # as aiohttp reads raw bytes
        if hmac.compare_digest(found, expected):
            return await handler(request)
        challenge = 'Bearer realm="segmenter"' + (', error="invalid_token"' if given else "")  # RFC 6750, section 3
        refused = _json({"error": "this path needs the API token: Authorization: Bearer TOKEN"}, 401)
        refused.headers["WWW-Authenticate"] = challenge
        return refused

    return guard


def _checked(checks: Callable[[], list[Check]]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        found = checks()
        failing = [{"name": check.name, "detail": check.detail} for check in found if not check.ok]
        body: dict[str, Any] = {"status": "failing" if failing else "ok", "failing": failing}
        if "verbose" in request.query:
            body["checks"] = [asdict(check) if not check.ok else {"name": check.name, "ok": True} for check in found]
        return _json(body, 503 if failing else 200)

    return answer


def _told(tell: Callable[[], dict[str, Any]]) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return _json(tell(), 200)

    return answer


def _json(body: dict[str, Any], status: int) -> web.Response:
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})
