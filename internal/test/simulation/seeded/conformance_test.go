package seeded

import (
	"testing"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/storetest"
)

// TestModelConforms holds the model to what the drivers are held to.
func TestModelConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return &model{} })
}
