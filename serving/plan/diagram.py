"""The graph of components as Mermaid and as SVG: boxes in layers, an arrow from what is needed to who needs it."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from serving.plan.plan import Plan
from serving.program.record import Resource

_BOX_WIDTH, _BOX_HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 178, 46, 58, 22, 24
_MANY_MODELS = 6


@dataclass(frozen=True)
class Box:
    """A component (or several models drawn as one)."""

    key: str
    title: str
    subtitle: str
    critical: bool


def boxes(plan: Plan) -> tuple[dict[str, Box], set[tuple[str, str]]]:
    """Top-level components, and which needs which: the transitive reduction of the resources' dependencies."""
    everything = plan.graph.everything
    critical = {_top(r, everything).urn for r in plan.time[2]}
    many = len(plan.deployment.models) > _MANY_MODELS
    keys: dict[str, str] = {}
    found: dict[str, Box] = {}
    for resource in plan.graph.order:
        top = _top(resource, everything)
        kind = top.type.rsplit(":", 1)[-1]
        merged = many and kind == "ModelService"
        key = "models" if merged else top.name
        keys[resource.urn] = key
        subtitle = f"{len(plan.deployment.models)} models" if merged else top.name
        old = found.get(key)
        found[key] = Box(key, kind, subtitle, top.urn in critical or (old is not None and old.critical))
    edges = {
        (keys[needed], keys[urn])
        for urn, needs in plan.graph.dependencies.items()
        for needed in needs
        if keys[needed] != keys[urn]
    }
    return found, _reduce(edges)


def _top(resource: Resource, everything: dict[str, Resource]) -> Resource:
    while resource.parent in everything:
        resource = everything[resource.parent]
    return resource


def _reduce(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    after: dict[str, set[str]] = {}
    for a, b in edges:
        after.setdefault(a, set()).add(b)

    def reaches(start: str, goal: str, without: tuple[str, str]) -> bool:
        queue, seen = [start], {start}
        while queue:
            node = queue.pop()
            for following in after.get(node, ()):
                if (node, following) == without or following in seen:
                    continue
                if following == goal:
                    return True
                seen.add(following)
                queue.append(following)
        return False

    return {edge for edge in edges if not reaches(edge[0], edge[1], edge)}


def render_mermaid(plan: Plan) -> str:
    """A Mermaid flowchart."""
    found, edges = boxes(plan)
    ids = {key: f"c{index}" for index, key in enumerate(found)}
    lines = ["flowchart LR"]
    lines += [f'  {ids[b.key]}["{b.title}<br/>{b.subtitle}"]' for b in found.values()]
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in sorted(edges)]
    if on_path := [ids[b.key] for b in found.values() if b.critical]:
        lines += ["  classDef critical stroke-width:3px", f"  class {','.join(on_path)} critical"]
    return "\n".join(lines) + "\n"


def _layers(found: dict[str, Box], edges: set[tuple[str, str]]) -> list[list[str]]:
    depth = dict.fromkeys(found, 0)
    for _ in found:
        for a, b in edges:
            depth[b] = max(depth[b], depth[a] + 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for key in found:
        layers[depth[key]].append(key)
    for index in range(1, len(layers)):
        above = {key: place for place, key in enumerate(layers[index - 1])}
        layers[index].sort(key=lambda key: _mean([above[a] for a, b in edges if b == key and a in above]))
    return layers


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def render_svg(plan: Plan) -> str:
    """A picture of its own: light and dark backgrounds, no outside reference."""
    found, edges = boxes(plan)
    layers = _layers(found, edges)
    tallest = max(len(layer) for layer in layers)
    height = 2 * _MARGIN + tallest * _BOX_HEIGHT + (tallest - 1) * _GAP_Y + 26
    width = 2 * _MARGIN + len(layers) * _BOX_WIDTH + (len(layers) - 1) * _GAP_X
    at: dict[str, tuple[int, int]] = {}
    for column, layer in enumerate(layers):
        used = len(layer) * _BOX_HEIGHT + (len(layer) - 1) * _GAP_Y
        for row, key in enumerate(layer):
            x = _MARGIN + column * (_BOX_WIDTH + _GAP_X)
            at[key] = (x, (height - 26 - used) // 2 + row * (_BOX_HEIGHT + _GAP_Y))
    title = f"Dependency graph of {plan.deployment.name}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    for a, b in sorted(edges):
        (ax, ay), (bx, by) = at[a], at[b]
        x1, y1, x2, y2 = ax + _BOX_WIDTH, ay + _BOX_HEIGHT // 2, bx, by + _BOX_HEIGHT // 2
        bend = max(24, (x2 - x1) // 2)
        parts.append(
            f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" stroke="#64748b" '
            'stroke-width="1.4" marker-end="url(#arrow)"/>'
        )
    for key, box in found.items():
        x, y = at[key]
        stroke, weight, fill = ("#b45309", "2.4", "#fffbeb") if box.critical else ("#334155", "1.2", "#f8fafc")
        parts += [
            f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6" fill="{fill}" stroke="{stroke}" stroke-width="{weight}"/>',
            f'<text x="{x + 10}" y="{y + 20}" font-family="system-ui, sans-serif" font-size="13" font-weight="600" fill="#0f172a">{escape(box.title)}</text>',
            f'<text x="{x + 10}" y="{y + 36}" font-family="system-ui, sans-serif" font-size="11" fill="#475569">{escape(box.subtitle[:26])}</text>',
        ]
    longest, _, _ = plan.time
    caption = (
        f"{title}: an arrow leads to who needs it; framed thick: the critical path, about {round(longest / 60)} min"
    )
    parts.append(
        f'<text x="{_MARGIN}" y="{height - 12}" font-family="system-ui, sans-serif" font-size="11" fill="#475569">{escape(caption)}</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"
