// Package powerloss cuts the power of a machine on which the SQLite store works, at every moment
// and in thousands of ways, and looks at what is left. It holds only tests.
//
// A life of the store is recorded below all of its layers: each write, truncation and sync that
// reaches a file of the database, by any connection, and each acknowledgement that the store gave
// (vfs_test.go, load_test.go). The disk of a crash is then built from that (disk_test.go): what was
// synced is there; of what was not, each sector of 512 bytes may be there or not, and so may each
// change of a file's size and each file's name. On every such disk SQLite itself must find a sound
// database with all that was acknowledged in it, and the store must start (check_test.go). Some
// crashes become the disk that the next life starts from.
//
// A seed decides everything, the order in which the connections get on included (turns_test.go).
//
// A test that finds nothing must be able to find something: the same test is played on disks that
// drop syncs, and with acknowledgements that come too early, and has to fail (mutation_test.go).
//
// Start with powerloss_test.go.
package powerloss
