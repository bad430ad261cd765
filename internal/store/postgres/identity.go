package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// insufficientPrivilege is what a role gets that may not do something.
const insufficientPrivilege = "42501"

// Identity names the database: the same from every node, whatever way it takes
// there, and another for every other database. What nodes share outside of it, they
// keep apart by this.
//
// It is made of the number that PostgreSQL gave itself when it was set up, which its
// replicas have, too, and of the database's name and number within. Where the role
// may not read the first, which every role may unless it was taken from it, the
// other two must do, so nodes of one installation need roles with the same rights.
//
// A copy of the files, a restored snapshot too, has the same identity as what it is
// a copy of: nothing in it tells them apart.
func (s *Store) Identity(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var cluster, name string
	var number uint32
	err := s.pool.QueryRow(ctx, `SELECT system_identifier::text FROM pg_control_system()`).Scan(&cluster)
	if err != nil && sqlState(err) != insufficientPrivilege {
		return "", fail("read which PostgreSQL this is", err)
	}
	err = s.pool.QueryRow(ctx, `SELECT datname::text, oid FROM pg_database WHERE datname = current_database()`).Scan(&name, &number)
	if err != nil {
		return "", fail("read which database this is", err)
	}
	return identity(cluster, name, number), nil
}

// identity is a number of 64 bits in hex: there are few databases to tell apart.
func identity(cluster, name string, number uint32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", cluster, name, number))
	return hex.EncodeToString(sum[:8])
}
