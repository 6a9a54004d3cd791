//go:build tools

// Package tools keeps the module in go.mod: only its files are used, nothing of it is built.
package tools

import _ "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
