//go:build tools

// Package tools keeps the module in go.mod: only its files are used, nothing of it is built.
package tools

import _ "sigs.k8s.io/gateway-api/apis/v1"
