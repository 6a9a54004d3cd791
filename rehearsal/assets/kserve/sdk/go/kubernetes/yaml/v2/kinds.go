// Package v2 stands in for the switch over every kind that ConfigFile, ConfigGroup, Directory and Chart v4 register with.
package v2

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource always fails: nothing must come out differently from what the published provider registers.
func RegisterResource(_ *pulumi.Context, apiVersion, kind, name string, _ pulumi.Input,
	_ ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	return nil, fmt.Errorf("%s of %s %s: this build of the kubernetes provider does not support ConfigFile, ConfigGroup, "+
		"kustomize Directory or helm.v4.Chart; use typed resources, CustomResource or helm.v3.Release, or put the published "+
		"pulumi-resource-kubernetes on PATH", name, apiVersion, kind)
}
