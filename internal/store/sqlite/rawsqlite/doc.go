// Package rawsqlite uses SQLite by its own C interface, as the driver for database/sql does: it is
// the one package of this module that uses unsafe.
//
// A Conn costs less than database/sql, whose locks, boxed values and copies around each statement
// took as much as a third of what SQLite itself did. A LogBuffer gathers the writes of a commit, a
// Checkpointer writes the log back beside the writer, and CheckLog finds a log that something other
// than a crash has damaged.
//
// Start with Conn.
package rawsqlite
