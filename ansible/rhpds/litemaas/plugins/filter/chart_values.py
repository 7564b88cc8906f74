"""How do a role's variables become values of the chart?"""

from __future__ import annotations


class FilterModule:
    def filters(self):
        return {"chart_image": chart_image, "chart_part": chart_part}


def chart_image(text):
    """``registry/name:tag`` or ``registry/name@digest`` in the chart's pieces; empty ones are left to the chart."""
    name, digest = ([*(text or "").split("@", 1), ""])[:2]
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # a port's colon is none of a tag
        repository, tag = name, ""
    return {"repository": repository, "tag": tag, "digest": digest}


def chart_part(image, replicas, memory_request, memory_limit, cpu_request, cpu_limit):
    """``replicas`` null: the part is one."""
    made = {
        "image": {name: str(value) for name, value in image.items() if value},
        "resources": {
            "requests": {"cpu": str(cpu_request), "memory": str(memory_request)},
            "limits": {"cpu": str(cpu_limit), "memory": str(memory_limit)},
        },
    }
    if replicas is not None:
        made["replicas"] = int(replicas)
        made["podDisruptionBudget"] = {"enabled": int(replicas) > 1}
    return made
