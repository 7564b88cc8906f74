"""Whose are objects that several installations use? Each installation marks what it made or uses by a label of its own.

What somebody else made carries no such label and is never deleted. What carries labels is deleted with the last of them.
"""

from __future__ import annotations

from ansible_collections.rhpds.litemaas.plugins.module_utils import borrowing

PREFIX = "holder.litemaas.io/"


class Sharing:
    """``holder``: names the installation; what was made for it carries the label ``holder.litemaas.io/<holder>``.

    ``created``, ``updated``, ``deleted``: kinds and names of what was, or in a dry run would be, touched.
    """

    def __init__(self, cluster, holder, *, dry_run=False):
        self._cluster = cluster
        self._dry_run = dry_run
        self.label = PREFIX + holder
        self.created, self.updated, self.deleted = [], [], []

    def hold(self, objects, reused=(), once=(), settings=(), prune=()):
        """``reused``: what others made under these names stays as it is. ``once``: never changed after it was made.

        ``settings``: see ``borrowing``. ``prune``: what else is held of these kinds is released. Errors: ClusterError.
        """
        wanted = self._wanted(objects, reused, once)
        created, updated = self._cluster.apply(wanted, dry_run=self._dry_run) if wanted else ([], [])
        self.created += created
        self.updated += updated
        for setting in settings:
            self._set(setting)
        if prune:
            named = {_key(one) for one in (*objects, *reused, *once, *settings)}
            self._release([one for one in self._held(prune) if _key(one) not in named])

    def release(self, kinds, keep=()):
        """What is held of these kinds, in that order, but for ``keep``, as ``Namespace/name``. Errors: ClusterError."""
        self._release([one for one in self._held(kinds) if _name(one) not in keep])

    def _wanted(self, objects, reused, once):
        known = self._groups() if self._dry_run else None
        every = [*objects, *reused, *once]
        if known is not None:  # an operator that is not installed yet brings its kinds
            self.created += [_name(one) for one in every if _resource_group(one) not in known]
            every = [one for one in every if _resource_group(one) in known]
        there = self._cluster.held(every)
        left_alone = {_key(one) for one in once if _key(one) in there}
        left_alone |= {_key(one) for one in reused if _key(one) in there and not holders(there[_key(one)])}
        return [self._marked(one, there.get(_key(one))) for one in every if _key(one) not in left_alone]

    def _marked(self, one, there):
        """With our label, and the others' that are there; what is somebody else's gets none."""
        if there is not None and not holders(there):
            return one
        labels = dict.fromkeys({self.label, *(holders(there) if there else ())}, "")
        meta = one["metadata"]
        return {**one, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), **labels}}}

    def _groups(self):
        return {name.partition(".")[2] for name in self._cluster.knows()}

    def _set(self, setting):
        outcome = borrowing.set_in(self._cluster, setting, self.label, dry_run=self._dry_run)
        if outcome:
            (self.created if outcome == "created" else self.updated).append(_name(setting))

    def _held(self, kinds):
        known = self._cluster.knows()
        there = [kind for kind in kinds if kind in known]
        return self._cluster.listed(",".join(there), self.label, everywhere=True) if there else []

    def _release(self, held):
        gone = []
        for one in held:
            others = [label for label in holders(one) if label != self.label]
            if borrowing.is_borrowed(one) and not others:
                if borrowing.give_back(self._cluster, one, self.label, dry_run=self._dry_run):
                    gone.append(one)
                else:
                    self.updated.append(_name(one))
            elif others:
                self.updated.append(_name(one))
                if not self._dry_run:
                    self._cluster.patch(one, {"metadata": {"labels": {self.label: None}}})
            else:
                gone.append(one)
        self.deleted += self._cluster.delete(gone, dry_run=self._dry_run)


def holders(one):
    return [label for label in one["metadata"].get("labels") or {} if label.startswith(PREFIX)]


def _resource_group(one):
    return one["apiVersion"].rpartition("/")[0]


def _key(one):
    return (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])


def _name(one):
    return f"{one['kind']}/{one['metadata']['name']}"
