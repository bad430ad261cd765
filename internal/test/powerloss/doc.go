// Package powerloss cuts the power of a machine on which the SQLite store works, at every moment
// and in thousands of ways, and checks what is left. It contains only tests.
//
// It records the work of the store below all of its layers: each write, truncation and sync of a
// database file, by any connection, and each response of the store (vfs_test.go, load_test.go).
// From this record it builds the disk after a crash (disk_test.go). Synced data is on it. Of data
// that is not synced, each sector of 512 bytes may or may not be on it, and so may each change of a
// file's size and each file name. On every such disk, SQLite must find a sound database that
// contains everything that the store had acknowledged, and the store must start (check_test.go).
// Some crashes become the disk on which the next recording starts.
//
// A seed determines everything, including the order in which connections make progress
// (turns_test.go).
//
// A test that finds nothing must be able to find something: the same test runs on disks that drop
// syncs, and with acknowledgements that come too early, and must then fail (mutation_test.go).
//
// Start with powerloss_test.go.
package powerloss
