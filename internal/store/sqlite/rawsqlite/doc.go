// Package rawsqlite uses SQLite by its own C interface, as the driver for database/sql does. It is
// the one package of this module that imports unsafe. It stands between SQLite and the disk in one
// place, so this comment says what SQLite promises, what is different here, and why that is safe.
//
// # What SQLite promises
//
// In WAL mode (https://www.sqlite.org/wal.html) a commit appends the pages that it changed to the
// log, the file with -wal in its name. Each frame there has a checksum over all frames before it
// and over a salt in the log's header (https://www.sqlite.org/fileformat2.html#walformat). With
// synchronous=FULL (https://www.sqlite.org/pragma.html#pragma_synchronous) SQLite
//
//   - writes the header of a new log, and syncs it, before the first frame;
//   - writes the frames of a commit, syncs the log, and only then enters them in the log's index,
//     which is in shared memory, for other connections to see;
//   - returns from COMMIT after that.
//
// So a commit that returned is on disk. After a crash SQLite reads the log up to the first frame
// whose checksum is wrong, and takes the commits that are whole: it relies on nothing about writes
// that were not synced, not on their order, and not on a write being whole.
//
// A checkpoint syncs the log, copies its pages into the database, and syncs the database. Only when
// all pages are copied and synced does the next commit start the log again from its beginning, with
// another salt.
//
// # What is different here
//
// A LogBuffer gathers the writes to the log until the sync, and writes them at once: SQLite makes
// two calls for each page. The same bytes go to the same places before the same sync. Until then
// they were not promised to be on disk, and no other connection reads frames that are not in the
// index. The connection itself reads its log through the buffer, which writes what it has gathered
// first. A write that fails does so in the call that flushes, at the latest in the sync: that fails
// the COMMIT, as a failed sync does, and the transaction is rolled back. What is gathered of a
// transaction that is rolled back is dropped, by SQLite's rollback hook. All of this needs
// synchronous=FULL, which the store reads back when it opens.
//
// Fdatasync, which the store switches on in the driver, syncs data and the size of a file, and not
// the time of its last change, which SQLite does not use. SQLite does the same where its configure
// script finds fdatasync. If the system has no such call, it is fsync.
//
// A Checkpointer writes the log back by SQLite's own PRAGMA wal_checkpoint(PASSIVE), on a connection
// of its own beside the writer. SQLite allows that to any connection at any time
// (https://www.sqlite.org/wal.html#application_initiated_checkpoints): it copies only what is
// committed and synced and what no reader needs as it was. It has no LogBuffer.
//
// CheckLog reads the log before SQLite opens it, and changes nothing. SQLite silently leaves out what
// is behind a damaged frame. That is right for the commit that a crash has torn, and hides a loss if
// acknowledged commits follow.
//
// A Conn costs less than database/sql, whose locks, boxed values and copies around each statement
// took as much as a third of what SQLite itself did. It has no mutex: one goroutine at a time uses
// it. Values are copied into C memory before SQLite sees them, and rows out of it before the next
// step, so neither side keeps an address of the other's.
//
// An Insert gathers rows until the connection's next statement, COMMIT at the latest, and inserts
// up to 16 of them with one INSERT. So nothing is promised to be on disk that is only gathered, and
// an error of a row undoes the transaction.
//
// # How it is tested
//
// Package powerloss (internal/test/powerloss) records what reaches the files below this package, cuts
// the power at every moment, and looks at the disk with SQLite alone and with the store. conn_test.go
// has writes fail. damage_test.go of the store damages files.
//
// Start with Conn, then LogBuffer.
package rawsqlite
