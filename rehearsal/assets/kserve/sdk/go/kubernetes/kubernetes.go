// Package kubernetes is what the provider needs of Pulumi's Go SDK for Kubernetes, which takes six minutes to compile.
package kubernetes

import "reflect"

// UntypedArgs are the properties of any object.
type UntypedArgs map[string]any

// ElementType makes it an input.
func (UntypedArgs) ElementType() reflect.Type { return reflect.TypeFor[map[string]any]() }
