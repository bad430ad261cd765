// Package rawsqlite uses SQLite's C interface directly, as the driver for database/sql does. It is
// the only package of this module that imports unsafe. In one place it changes how SQLite writes to
// the disk, so this comment says what SQLite promises, what is different here, and why that is safe.
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
// So a commit that has returned is on disk. After a crash, SQLite reads the log up to the first
// frame with a wrong checksum, and uses the commits that are complete. It makes no assumption about
// writes that were not synced: neither about their order nor that a write is complete.
//
// A checkpoint syncs the log, copies its pages into the database, and syncs the database. Only when
// all pages are copied and synced does the next commit start the log again from its beginning, with
// another salt.
//
// # What is different here
//
// A LogBuffer collects the writes to the log and makes them with one call before the sync, while
// SQLite makes two calls for each page. The same bytes go to the same places before the same sync.
// Before the sync, SQLite does not rely on them being on disk, and no other connection reads frames
// that are not in the index. The connection itself reads its log through the buffer, which first
// writes what it has collected. If a write fails, the call that flushes the buffer fails, at the
// latest the sync. That makes the COMMIT fail, as a failed sync does, and the transaction is rolled
// back. SQLite's rollback hook drops what was collected of the transaction. All of this requires
// synchronous=FULL, which the store checks when it opens the database.
//
// Fdatasync, which the store switches on in the driver, syncs the data and the size of a file, but
// not its modification time, which SQLite does not use. SQLite itself uses fdatasync if its
// configure script finds it. Systems without it use fsync.
//
// A Checkpointer writes the log back with SQLite's PRAGMA wal_checkpoint(PASSIVE), on its own
// connection. SQLite allows that on any connection at any time
// (https://www.sqlite.org/wal.html#application_initiated_checkpoints): it copies only pages that are
// committed and synced and of which no reader needs an older version. It has no LogBuffer.
//
// CheckLog reads the log before SQLite opens it, and changes nothing. SQLite silently ignores what
// follows a damaged frame. That is right for a commit that a crash has torn. But if acknowledged
// commits follow, it hides that they are lost.
//
// A Conn costs less than database/sql, whose locks, interface values and copies for each statement
// took up to a third of the time of SQLite itself. It has no mutex: only one goroutine at a time may
// use it. Values are copied into C memory before SQLite reads them, and rows are copied out of it
// before the next step, so neither side keeps an address of the other's memory.
//
// An Insert collects rows until the connection's next statement, at the latest the COMMIT, and
// inserts up to 16 of them with one INSERT. So a row that is only collected never counts as
// committed, and an error of a row rolls back the transaction.
//
// # How it is tested
//
// Package powerloss (internal/test/powerloss) records the writes below this package, cuts the power
// at every moment, and reads the disk with SQLite alone and with the store. conn_test.go makes
// writes fail. damage_test.go of the store damages files.
//
// Start with Conn, then LogBuffer.
package rawsqlite
