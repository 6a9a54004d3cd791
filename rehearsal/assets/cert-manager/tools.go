//go:build tools

// Package tools keeps the module in go.mod: only its files are used, nothing of it is built.
package tools

import _ "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
