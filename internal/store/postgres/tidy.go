package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Tidy vacuums the database, updates its statistics and makes a checkpoint. PostgreSQL does so by
// itself, but later. Tidy is for measurements on a database that was just filled. It takes minutes
// if the database is large.
func Tidy(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fail("connect to PostgreSQL", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{"VACUUM (ANALYZE)", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fail(sql, err)
		}
	}
	return nil
}
