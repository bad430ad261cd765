package rawsqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// CheckLog checks SQLite's log before SQLite reads it. SQLite reads the log up to the first
// damaged frame and silently ignores the rest. That is right for the end of the log, which a
// crash may tear. But each commit is on disk before the next one begins, so a crash can tear
// only one commit. If more commits follow a damaged frame, they were acknowledged, and
// something other than a crash has damaged the log.
func CheckLog(path string) error {
	f, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the log of the database: %w", err)
	}
	defer f.Close()
	lost, err := lostCommits(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return fmt.Errorf("read %s-wal: %w", path, err)
	}
	if lost < tooMany {
		return nil
	}
	return fmt.Errorf("%s-wal is damaged, and not by a crash: SQLite would ignore at least %d acknowledged commits. Keep copies of both files, and restore a backup if you have a newer one. To continue without those commits, run `sqlite3 %[1]s 'PRAGMA wal_checkpoint(TRUNCATE)'` and start again", path, lost)
}

// The log's format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
const (
	logHeader   = 32
	frameHeader = 24
	tooMany     = 2 // commits, more than a crash can lose
)

// lostCommits counts the commits after the first damaged frame. Successive commits are linked
// by their checksums. If frames after the damaged one are not linked, they are the remains of
// single commits that failed, perhaps because the disk was full, and are not added up. After a
// damaged header nothing can be read, so that counts as tooMany.
func lostCommits(r io.Reader) (lost int, err error) {
	head := make([]byte, logHeader)
	if ok, err := readWhole(r, head); !ok {
		return 0, err
	}
	order, page := checksumOrder(head), binary.BigEndian.Uint32(head[8:])
	if sum := (checksum{order: order}).add(head[:24]); !sum.is(head[24:]) || page < 512 || page > 65536 {
		ok, err := readWhole(r, make([]byte, frameHeader+512)) // a frame with the smallest page
		if ok {
			return tooMany, err
		}
		return 0, err
	}
	last, broken, run := [8]byte(head[24:]), false, 0
	for frame := make([]byte, frameHeader+page); ; last = [8]byte(frame[16:24]) {
		if ok, err := readWhole(r, frame); !ok {
			return lost, err
		}
		ours := [8]byte(frame[8:16]) == [8]byte(head[16:24]) // otherwise the frame is older than the header
		linked := ours && sumAfter(last, order).add(frame[:8]).add(frame[frameHeader:]).is(frame[16:])
		switch {
		case !linked:
			broken, run = true, 0
		case broken && binary.BigEndian.Uint32(frame[4:]) != 0: // the last frame of a commit
			run++
			lost = max(lost, run)
		}
	}
}

// readWhole fills b. ok is false at the end of the file.
func readWhole(r io.Reader, b []byte) (ok bool, err error) {
	_, err = io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return err == nil, err
}

// checksum is the checksum of the log's format, over everything that was added.
type checksum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

// checksumOrder returns the byte order of the checksums, which the log's magic number contains.
func checksumOrder(head []byte) binary.ByteOrder {
	if head[3]&1 == 1 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// sumAfter returns a checksum that continues from that of a frame.
func sumAfter(last [8]byte, order binary.ByteOrder) checksum {
	return checksum{order, binary.BigEndian.Uint32(last[:4]), binary.BigEndian.Uint32(last[4:])}
}

func (c checksum) add(b []byte) checksum {
	for ; len(b) >= 8; b = b[8:] {
		c.s0 += c.order.Uint32(b) + c.s1
		c.s1 += c.order.Uint32(b[4:]) + c.s0
	}
	return c
}

func (c checksum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == c.s0 && binary.BigEndian.Uint32(b[4:]) == c.s1
}
