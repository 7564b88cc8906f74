"""Which images of PostgreSQL and Valkey cannot be pulled, and what stands in for them?

It is seen on the pods: a registry that is reachable from here may not be from the nodes.
"""

from __future__ import annotations

import time

_REFUSED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
_COMPONENT = "app.kubernetes.io/component"
_POLL_S = 2


def values_with(values, images):
    """The chart's values with these images instead, by part."""
    made = dict(values)
    for part, image in images.items():
        repository, tag = image.rsplit(":", 1)
        made[part] = {**made.get(part, {}), "image": {"repository": repository, "tag": tag, "digest": ""}}
    return made


def in_use(cluster, objects, images):
    """Parts whose pods are already made of the fallback: they stay so. Errors: ClusterError."""
    ours = [one for one in objects if part_of(one) in images and _pod(one)]
    there = cluster.held(ours).values()
    return {part_of(one) for one in there if _image(one) == images[part_of(one)]}


def failing(cluster, objects, within_s):
    """Parts of which a pod cannot pull its image, once every one of them is ready or cannot, or its time is over.

    ``within_s``: seconds by part. Errors: ClusterError.
    """
    waited = {part_of(one): one for one in objects if part_of(one) in within_s and _pod(one)}
    refused, began = set(), time.monotonic()
    while waited:
        for part, one in list(waited.items()):
            pods = cluster.listed("pods", f"{_COMPONENT}={part}")
            reasons = {reason for pod in pods for reason in _reasons(pod)}
            if reasons.intersection(_REFUSED):
                refused.add(part)
            elif not _is_ready(cluster, one) and time.monotonic() - began < within_s[part]:
                continue
            del waited[part]
        if waited:
            time.sleep(_POLL_S)
    return refused


def _is_ready(cluster, one):
    there = next(iter(cluster.held([one]).values()), {})
    return bool((there.get("status") or {}).get("readyReplicas"))


def part_of(one):
    """Which of the chart's components an object belongs to; None: to none."""
    return (one["metadata"].get("labels") or {}).get(_COMPONENT)


def _pod(one):
    return one["kind"] in ("Deployment", "StatefulSet") and one["spec"]["template"]["spec"]


def _image(one):
    return one["spec"]["template"]["spec"]["containers"][0]["image"]


def _reasons(pod):
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        yield ((container.get("state") or {}).get("waiting") or {}).get("reason")
