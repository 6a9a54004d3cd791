// Package orderedmap has the map of the OpenAPI types.
package orderedmap

import "iter"

// Map is always empty.
type Map[K comparable, V any] struct{}

// New makes one.
func New[K comparable, V any]() *Map[K, V] { return &Map[K, V]{} }

// Len is the number of entries.
func Len[K comparable, V any](*Map[K, V]) int { return 0 }

// Get is an entry.
func (*Map[K, V]) Get(K) (V, bool) { var none V; return none, false }

// GetOrZero is an entry.
func (*Map[K, V]) GetOrZero(K) V { var none V; return none }

// Set leaves it empty.
func (*Map[K, V]) Set(K, V) (V, bool) { var none V; return none, false }

// Delete leaves it empty.
func (*Map[K, V]) Delete(K) (V, bool) { var none V; return none, false }

// FromOldest are the entries.
func (*Map[K, V]) FromOldest() iter.Seq2[K, V] { return func(func(K, V) bool) {} }

// KeysFromOldest are the keys.
func (*Map[K, V]) KeysFromOldest() iter.Seq[K] { return func(func(K) bool) {} }
