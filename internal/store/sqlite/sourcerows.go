package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// origin is how a step of a copy reads its rows.
type origin struct {
	from string
	// key is the order of the rows. cursor is an expression for the place of a row in this order.
	// beyond is the condition with which an interrupted step continues after a cursor, and after
	// returns the parameters of that condition.
	key, cursor, beyond string
	after               func(cursor []byte) []any
	// columns are the expressions for columns that have another name, or are computed.
	columns map[string]string
}

const idSize = len(event.ID{})

func afterID(cursor []byte) []any { return []any{cursor} }

// origins has the origin of each step, by the step's name. Leases are not copied, because the process
// that had them has ended. The deliveries keep their due times. Parked deliveries stay parked.
var origins = map[string]origin{
	"events": {
		from: "events r", key: "r.seq", cursor: "CAST(r.seq AS TEXT)", beyond: "r.seq > ?",
		after: func(cursor []byte) []any { return []any{string(cursor)} },
	},
	"deliveries": {
		from: "deliveries r JOIN events e ON e.seq = r.event_seq", key: "r.id", cursor: "r.id", beyond: "r.id > ?", after: afterID,
		columns: map[string]string{
			"event_id":     "e.id",
			"lease_owner":  "CASE WHEN r.status = 0 AND r.lease_owner = 'parked' THEN r.lease_owner END",
			"leased_until": "CASE WHEN r.status = 0 AND r.lease_owner = 'parked' THEN r.leased_until ELSE 0 END",
		},
	},
	"implicit deliveries": {
		from: "unfiled r JOIN events e ON e.seq = r.seq", key: "r.delivery_id", cursor: "r.delivery_id", beyond: "r.delivery_id > ?", after: afterID,
		columns: map[string]string{
			"id": "r.delivery_id", "event_id": "e.id", "due_at": "r.created_at", "lease_owner": "NULL", "leased_until": "0", "settled_at": "0",
			"attempts": "0", "status": "0", "round": "0", "round_from": "0", "stray": "0", "delivered_at": "0", "replay_id": "x''",
		},
	},
	"attempts": {
		from: "delivery_attempts r", key: "r.delivery_id, r.id", cursor: "r.delivery_id || r.id", beyond: "(r.delivery_id, r.id) > (?, ?)",
		after: func(cursor []byte) []any { return []any{cursor[:idSize], cursor[idSize:]} },
	},
	"idempotency keys": {
		from: "idempotency_keys r", key: "r.subscription_id, r.key", cursor: "r.subscription_id || r.key", beyond: "(r.subscription_id, r.key) > (?, ?)",
		after:   func(cursor []byte) []any { return []any{cursor[:idSize], string(cursor[idSize:])} },
		columns: map[string]string{"key": "CAST(r.key AS BLOB)"},
	},
	"idempotency keys of tenants": {
		from: "event_keys r", key: "r.tenant_no, r.key", cursor: "r.tenant_no || ' ' || r.key", beyond: "(r.tenant_no, r.key) > (CAST(? AS INTEGER), ?)",
		after: func(cursor []byte) []any {
			no, key, _ := strings.Cut(string(cursor), " ")
			return []any{no, key}
		},
		columns: map[string]string{"key": "CAST(r.key AS BLOB)"},
	},
	"tenants": {
		from: "tenants r", key: "r.no", cursor: "CAST(r.no AS TEXT)", beyond: "r.no > ?",
		after: func(cursor []byte) []any { return []any{string(cursor)} },
	},
	"event types": {
		from: "event_types r", key: "r.name", cursor: "r.name", beyond: "r.name > ?",
		after: func(cursor []byte) []any { return []any{string(cursor)} },
	},
	"version of the event types": {
		from: "event_type_version r", key: "r.version", cursor: "CAST(r.version AS TEXT)", beyond: "r.version > ?",
		after: func(cursor []byte) []any { return []any{string(cursor)} },
	},
	"subscriptions": {
		from: "subscriptions r", key: "r.id", cursor: "r.id", beyond: "r.id > ?", after: afterID,
		columns: map[string]string{"inactive_since": "CASE r.inactive_since WHEN 0 THEN r.created_at ELSE r.inactive_since END"},
	},
	"endpoint health": {from: "subscription_health r", key: "r.subscription_id", cursor: "r.subscription_id", beyond: "r.subscription_id > ?", after: afterID},
	"API keys":        {from: "api_keys r", key: "r.id", cursor: "r.id", beyond: "r.id > ?", after: afterID},
}

// selectRows returns the statement for the rows after a cursor, or for all rows.
func (o origin) selectRows(step store.CopyStep, afterCursor bool) string {
	list := []string{"CAST(" + o.cursor + " AS BLOB)"}
	for _, c := range step.Columns {
		list = append(list, cmp.Or(o.columns[c.Name], "r."+c.Name))
	}
	where := ""
	if afterCursor {
		where = " WHERE " + o.beyond
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + o.from + where + " ORDER BY " + o.key
}

// batchBytes is the approximate limit of a batch's size in bytes.
const batchBytes = 4 << 20

// Read calls use with the rows of a step after a cursor, or with all rows if the cursor is nil, in
// batches of up to most rows.
func (s *Source) Read(ctx context.Context, step store.CopyStep, after []byte, most int, use func(store.Batch) error) error {
	o, known := origins[step.Name]
	if !known {
		return fmt.Errorf("the step %q of a copy is not implemented for SQLite", step.Name)
	}
	var args []any
	if after != nil {
		args = o.after(after)
	}
	rows, err := s.store.reads.QueryContext(ctx, o.selectRows(step, after != nil), args...)
	if err != nil {
		return unavailable("read the "+step.Name, err)
	}
	defer rows.Close()
	var b store.Batch
	size := 0
	for rows.Next() {
		n, err := scanCopied(rows, step, &b)
		if err != nil {
			return unavailable("read the "+step.Name, err)
		}
		if size += n; len(b.Rows) < most && size < batchBytes {
			continue
		}
		if err := use(b); err != nil {
			return err
		}
		b.Rows, size = nil, 0
	}
	if err := rows.Err(); err != nil {
		return unavailable("read the "+step.Name, err)
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return use(b)
}

// scanCopied adds a row to a batch, and returns its approximate size in bytes.
func scanCopied(rows *sql.Rows, step store.CopyStep, b *store.Batch) (size int, err error) {
	raw, into := make([]any, len(step.Columns)), []any{&b.Cursor}
	for i := range raw {
		into = append(into, &raw[i])
	}
	if err := rows.Scan(into...); err != nil {
		return 0, err
	}
	row, size, err := copiedRow(step, raw)
	b.Rows = append(b.Rows, row)
	return size, err
}

// copiedRow converts the values that SQLite returned to a row of a copy, and returns its approximate
// size in bytes.
func copiedRow(step store.CopyStep, raw []any) (row []any, size int, err error) {
	row = make([]any, len(raw))
	for i, c := range step.Columns {
		if row[i], err = copied(c.Kind, raw[i]); err != nil {
			return nil, 0, fmt.Errorf("the column %s of the %s: %w", c.Name, step.Name, err)
		}
		switch v := row[i].(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	return row, size + 16*len(row), nil
}

// copied converts a value that SQLite returned to the Go type of a column's kind.
func copied(kind store.CopyKind, raw any) (any, error) {
	switch kind {
	case store.CopyID, store.CopyMaybeID:
		return copiedID(kind, raw)
	case store.CopyText, store.CopyMaybeText, store.CopyJSON:
		return copiedText(raw)
	case store.CopyBytes, store.CopyMaybeBytes:
		return copiedBytes(kind, raw)
	case store.CopyInt, store.CopyMaybeInt, store.CopyMicros:
		if n, ok := raw.(int64); ok {
			return n, nil
		}
	case store.CopyFloat:
		switch n := raw.(type) {
		case float64:
			return n, nil
		case int64:
			return float64(n), nil
		}
	case store.CopyBool:
		if n, ok := raw.(int64); ok {
			return n != 0, nil
		}
	case store.CopyTime, store.CopyMaybeTime, store.CopyShared, store.CopyMaybeShared:
		if n, ok := raw.(int64); ok {
			return fromMicros(n), nil
		}
	case store.CopyTexts, store.CopySecrets, store.CopyMaybeLongs:
		return copiedList(kind, raw)
	}
	return nil, fmt.Errorf("contains %T, which is the wrong type for this column", raw)
}

func copiedID(kind store.CopyKind, raw any) (id event.ID, err error) {
	if b, ok := raw.([]byte); (ok || raw == nil) && len(b) == 0 && kind == store.CopyMaybeID {
		return id, nil
	}
	err = idScan{&id}.Scan(raw)
	return id, err
}

func copiedText(raw any) (string, error) {
	switch text := raw.(type) {
	case string:
		return text, nil
	case []byte:
		return string(text), nil
	case nil:
		return "", nil
	}
	return "", fmt.Errorf("contains %T, not text", raw)
}

func copiedBytes(kind store.CopyKind, raw any) ([]byte, error) {
	switch b := raw.(type) {
	case []byte:
		return b, nil
	case string:
		return []byte(b), nil
	case nil:
		if kind == store.CopyMaybeBytes {
			return nil, nil
		}
		return []byte{}, nil
	}
	return nil, fmt.Errorf("contains %T, not bytes", raw)
}

// copiedList reads a list that is stored as JSON.
func copiedList(kind store.CopyKind, raw any) (any, error) {
	if kind == store.CopyMaybeLongs {
		var list []int64
		err := jsonScan{&list}.Scan(raw)
		return list, err
	}
	var list []string
	err := jsonScan{&list}.Scan(raw)
	if kind == store.CopyTexts {
		return list, err
	}
	secrets := make([][]byte, len(list))
	for i, secret := range list {
		secrets[i] = []byte(secret)
	}
	return secrets, err
}
