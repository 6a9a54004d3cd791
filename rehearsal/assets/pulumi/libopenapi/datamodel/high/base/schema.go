// Package base has the types of schemas, as far as the engine names them.
package base

import (
	"errors"

	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

// Info is about a document.
type Info struct{ Version string }

// SchemaProxy refers to a schema.
type SchemaProxy struct{}

// Schema is the schema.
func (*SchemaProxy) Schema() *Schema { return nil }

// Discriminator tells the variants of a union apart.
type Discriminator struct {
	PropertyName string
	Mapping      *orderedmap.Map[string, string]
}

// DynamicValue is one of two types.
type DynamicValue[A, B any] struct {
	A A
	B B
}

// IsA is whether it is the first one.
func (*DynamicValue[A, B]) IsA() bool { return false }

// Low is a schema as it was read.
type Low struct{}

// Hash is of its content.
func (*Low) Hash() uint64 { return 0 }

// Schema is one of OpenAPI.
type Schema struct {
	Type                         []string
	Description, Format, Pattern string
	Required                     []string
	AllOf, OneOf, AnyOf          []*SchemaProxy
	Discriminator                *Discriminator
	Properties                   *orderedmap.Map[string, *SchemaProxy]
	Items, AdditionalProperties  *DynamicValue[*SchemaProxy, bool]
	ReadOnly, Nullable           *bool
	MinLength, MaxLength         *int64
	Minimum, Maximum, MultipleOf *float64
	Default                      *yaml.Node
	Enum                         []*yaml.Node
	Extensions                   *orderedmap.Map[string, *yaml.Node]
}

// GoLow is the schema as it was read.
func (*Schema) GoLow() *Low { return nil }

// MarshalJSONInline fails.
func (*Schema) MarshalJSONInline() ([]byte, error) { return nil, errors.ErrUnsupported }
