// Package libopenapi takes the place of the OpenAPI reader, a quarter of the engine's compile time, which serves only
// `pulumi api`, the explorer of Pulumi Cloud's API. NewDocument always fails, so no value of the other types ever exists.
package libopenapi

import (
	"errors"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Document is one that was read.
type Document interface {
	BuildV3Model() (*DocumentModel, error)
}

// DocumentModel is what a document says.
type DocumentModel struct{ Model v3.Document }

// NewDocument says that the reader is left out.
func NewDocument([]byte) (Document, error) {
	return nil, errors.New("the OpenAPI reader is left out of this build of pulumi; install the published one for this command")
}
