package powerloss

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	installLayer()
	os.Exit(m.Run())
}
