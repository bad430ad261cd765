package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Dump returns a database as SQL that any connection can run: the plain format of pg_dump with
// INSERT, without owners, and without commands of psql.
func (s *Server) Dump(ctx context.Context, database string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "pg_dump"), "--no-owner", "--inserts", "--rows-per-insert=500", s.URL(database))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("pg_dump: %w\n%s", err, said.Bytes())
	}
	var sql []byte
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte(`\restrict `)) && !bytes.HasPrefix(line, []byte(`\unrestrict `)) {
			sql = append(sql, line...)
		}
	}
	return sql, nil
}
