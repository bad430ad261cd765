package seeded

import (
	"testing"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/storetest"
)

// TestModelConforms runs the conformance suite of the drivers on the model.
func TestModelConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return &model{} })
}
