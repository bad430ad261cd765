package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hookferry/hookferry/internal/test/release010"
)

// smallDisk moves a database to a new file system of that many KiB, or returns false if none can
// be mounted.
func smallDisk(t *testing.T, path string, size int) (moved string, mounted bool) {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", size)); err != nil {
		t.Logf("no file system can be mounted here: %v", err)
		return "", false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	moved = filepath.Join(dir, "hookferry.db")
	for _, suffix := range []string{"", "-wal", copySuffix} {
		if _, err := os.Stat(path + suffix); err == nil {
			write(t, moved+suffix, read(t, path+suffix))
		}
	}
	return moved, true
}

// If there is too little disk space for the copy, Open changes nothing, and the error says how much
// is needed and how much is free.
func TestTooLittleSpaceForTheCopy(t *testing.T) {
	t.Parallel()
	path, content := writtenBack(t)
	if err := os.Remove(path + copySuffix); err != nil {
		t.Fatal(err)
	}
	path, mounted := smallDisk(t, path, diskFor(t, path)+256)
	if !mounted {
		return
	}
	_, err := upgrade(path)
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{
		"this release copies " + path + " to hookferry.db" + copySuffix, "MB of disk space in " + filepath.Dir(path), "MB are free",
		"Free some disk space and start again", "nothing has changed yet",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it says %q, want %q", err, want)
		}
	}
	wantNone(t, path+copySuffix)
	wantNone(t, path+".copying")
	wantOldStateWithLog(t, path, content)
	if err := syscall.Mount("tmpfs", filepath.Dir(path), "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	wantUpgraded(t, path, content)
}

// The copy exists from an earlier start, and there is too little disk space for the migration.
func TestTooLittleSpaceForTheMigration(t *testing.T) {
	t.Parallel()
	path, content := writtenBack(t)
	path, mounted := smallDisk(t, path, diskFor(t, path)+diskFor(t, path+copySuffix)+64)
	if !mounted {
		return
	}
	if _, err := upgrade(path); err == nil || !strings.Contains(err.Error(), "is full: free some disk space and start again; no data is lost") {
		t.Errorf("it says %v", err)
	}
	wantNone(t, path+".copying")
	wantOldStateWithLog(t, path, content)
	wantOldState(t, path+copySuffix, content)
	if err := syscall.Mount("tmpfs", filepath.Dir(path), "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	wantUpgraded(t, path, content)
}

// writtenBack is the database that release 0.1.0 left, next to a copy of it. Its log is already
// written back, because writing it back would free disk space.
func writtenBack(t *testing.T) (path string, content release010.Content) {
	t.Helper()
	path, content = release010.SQLite(t)
	if s, err := upgrade(path); err != nil {
		t.Fatal(err)
	} else {
		s.Close()
	}
	write(t, path, read(t, path+copySuffix))
	return path, content
}

// diskFor returns how many KiB a file and its log take.
func diskFor(t *testing.T, path string) int {
	t.Helper()
	size := len(read(t, path))
	if log, err := os.Stat(path + "-wal"); err == nil {
		size += int(log.Size())
	}
	return size / 1024
}

// wantOldStateWithLog is wantOldState for a file with a log, examined in another place.
func wantOldStateWithLog(t *testing.T, path string, content release010.Content) {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), "hookferry.db")
	for _, suffix := range []string{"", "-wal"} {
		if _, err := os.Stat(path + suffix); err == nil {
			write(t, elsewhere+suffix, read(t, path+suffix))
		}
	}
	if _, err := openSQL(t, elsewhere).ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	wantOldState(t, elsewhere, content)
}
