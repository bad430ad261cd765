package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// insufficientPrivilege is the SQLSTATE for a role without permission.
const insufficientPrivilege = "42501"

// Identity returns a text that identifies the database. It is the same on every node, even
// if nodes connect in different ways, and no other database has it. It serves as a namespace
// for data that nodes share outside of the database.
//
// It is computed from PostgreSQL's system identifier, which replicas share, and the
// database's name and OID. Every role may read the system identifier unless that right
// was revoked. Without that right, only the name and the OID are used. So the roles of
// all nodes must have the same rights.
//
// A copy of the database's files, such as a restored snapshot, has the same identity.
func (s *Store) Identity(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	var cluster, name string
	var number uint32
	err := s.pool.QueryRow(ctx, `SELECT system_identifier::text FROM pg_control_system()`).Scan(&cluster)
	if err != nil && sqlState(err) != insufficientPrivilege {
		return "", fail("read PostgreSQL's system identifier", err)
	}
	err = s.pool.QueryRow(ctx, `SELECT datname::text, oid FROM pg_database WHERE datname = current_database()`).Scan(&name, &number)
	if err != nil {
		return "", fail("read the database's name", err)
	}
	return identity(cluster, name, number), nil
}

// identity returns 64 bits in hex, which is enough for the few databases there are.
func identity(cluster, name string, number uint32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", cluster, name, number))
	return hex.EncodeToString(sum[:8])
}
