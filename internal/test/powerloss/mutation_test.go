package powerloss

import (
	"slices"
	"strings"
	"testing"
)

// mutation changes a recording: it adds a fault that loses data, or none.
type mutation interface {
	add(steps []step, s step) []step
}

// honest keeps a recording as it is.
type honest struct{}

func (honest) add(steps []step, s step) []step { return append(steps, s) }

func isAcknowledgement(s step) bool { return s.kind == acknowledged }

// faulty is a machine or a store that breaks its promise.
type faulty func(steps []step, s step) []step

func (f faulty) add(steps []step, s step) []step { return f(steps, s) }

// isSync reports whether a step is a sync of the file with that ending.
func isSync(s step, ending string) bool { return s.kind == synced && strings.HasSuffix(s.name, ending) }

// noSync is a disk that drops the syncs of a file after the first acknowledgement.
func noSync(ending string) faulty {
	return func(steps []step, s step) []step {
		if isSync(s, ending) && slices.ContainsFunc(steps, isAcknowledgement) {
			return steps
		}
		return append(steps, s)
	}
}

func noDirectorySync(steps []step, s step) []step {
	s.dir = false
	return append(steps, s)
}

// lateWrites is a store that makes the last write of a commit after the sync.
func lateWrites(steps []step, s step) []step {
	if last := len(steps) - 1; isSync(s, "-wal") && isWrite(steps, s.inode) {
		return slices.Insert(steps, last, s)
	}
	return append(steps, s)
}

// earlyAcknowledgements is a store that acknowledges before it has synced.
func earlyAcknowledgements(steps []step, s step) []step {
	for i := len(steps) - 1; i >= 0 && s.kind == acknowledged; i-- {
		if isSync(steps[i], "-wal") {
			return slices.Insert(steps, i, s)
		}
	}
	return append(steps, s)
}

// isWrite reports whether the last step wrote to a file.
func isWrite(steps []step, inode int) bool {
	last := len(steps) - 1
	return last >= 0 && steps[last].kind == wrote && steps[last].inode == inode
}

// TestFaultsAreFound plays crashes on machines that lose data, until SQLite alone finds the faults.
// (The store refuses most of the remains.)
func TestFaultsAreFound(t *testing.T) {
	for _, fault := range []struct {
		name     string
		mutation faulty
		finds    string
	}{
		{"the log is never synced", noSync("-wal"), "acknowledged deliveries are lost"},
		{"the log's writes go out after its sync", lateWrites, "acknowledged deliveries are lost"},
		{"acknowledgements come before the sync", earlyAcknowledgements, "acknowledged deliveries are lost"},
		{"the directory is never synced", noDirectorySync, "acknowledged deliveries are lost"},
		{"the database is never synced", noSync(".db"), ""}, // it may be lost or damaged
	} {
		t.Run(fault.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 100; seed++ {
				h := history{seed: seed, mutation: fault.mutation, perLife: perFault, look: checkPlain}
				if h.play(t); h.wrong != "" && strings.Contains(h.wrong, fault.finds) {
					t.Logf("seed %d: %s", seed, h.wrong)
					return
				}
			}
			t.Errorf("no crash showed that %s", fault.finds)
		})
	}
}
