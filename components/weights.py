"""The bucket that replicas start from, who may do what in it, and the program of its Jobs and init containers."""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.sdk import storage
from manifests.weights import Bucket, Grant, Weights


class WeightsBucket(Component):
    """The bucket. `ready` is what must be there before a Job fills it, or a server reads from it.

    Args:
        apis: what must be there before a bucket can be made.
        identity: what must be there before a grant to a Kubernetes account: the cluster with the identity pool.
        home: the models' namespace.
    """

    def __init__(
        self,
        weights: Weights,
        labels: dict[str, str],
        *,
        apis: Dependencies,
        identity: Dependencies,
        home: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("tpu-serving:weights:WeightsBucket", "weights", opts)
        made = [self._bucket(weights.bucket, labels, apis)] if weights.bucket.created else []
        self.ready: list[pulumi.Resource] = [
            self._grant(weights.bucket.name, grant, [*apis, *identity, *made]) for grant in weights.bucket.grants
        ]
        self.ready.append(self.object("weights-programs", weights.programs, [home]))
        if weights.account is not None:
            self.ready.append(self.object("weights-account", weights.account, [home]))
        self.register_outputs({})

    def _bucket(self, bucket: Bucket, labels: dict[str, str], apis: Dependencies) -> pulumi.Resource:
        made: pulumi.Resource = storage.Bucket(
            "weights-bucket",
            name=bucket.name,
            project=bucket.project,
            location=bucket.region.upper(),  # as Google answers
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            force_destroy=not bucket.kept,
            labels=labels,
            opts=self.child(apis, retain_on_delete=bucket.kept),
        )
        return made

    def _grant(self, bucket: str, grant: Grant, depends_on: Dependencies) -> pulumi.Resource:
        condition = None
        if grant.folder:
            condition = storage.BucketIAMMemberConditionArgs(
                title=f"only {grant.folder}",
                expression=f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{grant.folder}")',
            )
        made: pulumi.Resource = storage.BucketIAMMember(
            f"weights-{grant.name}",
            bucket=bucket,
            role=grant.role,
            member=grant.member,
            condition=condition,
            opts=self.child(depends_on),
        )
        return made
