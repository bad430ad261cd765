package powerloss

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// The file layer of this process: SQLite's own, whose files report every operation to a recorder.
// It takes the place of the operating system, below everything that the store puts between SQLite
// and its files. Nothing is really synced, because this machine's power does not fail.

type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	writeFunc    = func(tls *libc.TLS, file, bytes uintptr, n int32, offset sqlite3.Tsqlite3_int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32
	shmLockFunc  = func(tls *libc.TLS, file uintptr, offset, n, flags int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	randomFunc   = func(tls *libc.TLS, vfs uintptr, n int32, bytes uintptr) int32
	timeFunc     = func(tls *libc.TLS, vfs, milliseconds uintptr) int32
)

func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

func addressOfFunc[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

func function[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{address})) }

// layer is the file layer. A process has only one, because SQLite has one list of them.
var layer struct {
	under    uintptr // SQLite's own
	original sqlite3.Tsqlite3_vfs

	mu       sync.Mutex
	recorder *recorder // nil: nothing is recorded
	handles  map[uintptr]*handle
}

// handle is an open file, by the address of its sqlite3_file.
type handle struct {
	r       *recorder // nil: it is not recorded
	name    string
	who     string // for turns
	inode   int
	dirSync bool                         // the first sync also syncs the directory: SQLite does that for a log or journal that it has created
	under   *sqlite3.Tsqlite3_io_methods // SQLite's own
	methods uintptr                      // those of this layer
}

// installLayer makes this layer the default.
func installLayer() {
	tls := libc.NewTLS()
	layer.handles = map[uintptr]*handle{}
	layer.under = sqlite3.Xsqlite3_vfs_find(tls, 0)
	layer.original = *(*sqlite3.Tsqlite3_vfs)(pointer(layer.under))
	v := layer.original
	v.FpNext = 0
	v.FzName, _ = libc.CString("recording")
	v.FxOpen, v.FxDelete = addressOfFunc(openFunc(vfsOpen)), addressOfFunc(deleteFunc(vfsDelete))
	v.FxRandomness = addressOfFunc(randomFunc(vfsRandomness))
	v.FxCurrentTimeInt64 = addressOfFunc(timeFunc(vfsTime))
	memory := libc.Xmalloc(tls, types.Size_t(unsafe.Sizeof(v)))
	*(*sqlite3.Tsqlite3_vfs)(pointer(memory)) = v
	if rc := sqlite3.Xsqlite3_vfs_register(tls, memory, 1); rc != sqlite3.SQLITE_OK {
		panic(fmt.Sprintf("SQLite does not take the recording layer: %d", rc))
	}
}

// record reports all operations on files below a directory to a recorder, until stop.
func record(r *recorder) (stop func()) {
	layer.mu.Lock()
	defer layer.mu.Unlock()
	layer.recorder = r
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_randomness(tls, 0, 0) // resets the generator, which then uses vfsRandomness
	return func() {
		layer.mu.Lock()
		defer layer.mu.Unlock()
		layer.recorder = nil
	}
}

func handleOf(file uintptr) *handle {
	layer.mu.Lock()
	defer layer.mu.Unlock()
	return layer.handles[file]
}

// recorderOf returns the recorder of a file, or nil.
func recorderOf(path string) *recorder {
	layer.mu.Lock()
	defer layer.mu.Unlock()
	r := layer.recorder
	if r == nil || filepath.Dir(path) != r.dir || strings.HasSuffix(path, "-shm") {
		return nil
	}
	return r
}

// vfsTime is always the same, in milliseconds of the Julian calendar.
func vfsTime(_ *libc.TLS, _, milliseconds uintptr) int32 {
	*(*int64)(pointer(milliseconds)) = 212_000_000_000_000
	return sqlite3.SQLITE_OK
}

// vfsRandomness is always the same, so that a seed leads to the same log.
func vfsRandomness(_ *libc.TLS, _ uintptr, n int32, bytes uintptr) int32 {
	clear(unsafe.Slice((*byte)(pointer(bytes)), n))
	return n
}

func vfsOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	h := &handle{}
	if name != 0 {
		h.name = filepath.Base(libc.GoString(name))
		h.r = recorderOf(libc.GoString(name))
	}
	h.r.turn("open " + h.name)
	rc := function[openFunc](layer.original.FxOpen)(tls, layer.under, name, file, flags, outFlags)
	f := (*sqlite3.Tsqlite3_file)(pointer(file))
	if rc != sqlite3.SQLITE_OK || f.FpMethods == 0 {
		return rc
	}
	var fresh bool
	h.inode, h.who, fresh = h.r.opened(h.name)
	h.dirSync = fresh && flags&(sqlite3.SQLITE_OPEN_WAL|sqlite3.SQLITE_OPEN_MAIN_JOURNAL|sqlite3.SQLITE_OPEN_SUPER_JOURNAL) != 0
	h.under = (*sqlite3.Tsqlite3_io_methods)(pointer(f.FpMethods))
	methods := *h.under
	methods.FxWrite, methods.FxTruncate = addressOfFunc(writeFunc(fileWrite)), addressOfFunc(truncateFunc(fileTruncate))
	methods.FxSync, methods.FxClose = addressOfFunc(syncFunc(fileSync)), addressOfFunc(closeFunc(fileClose))
	methods.FxShmLock = addressOfFunc(shmLockFunc(fileShmLock))
	h.methods = libc.Xmalloc(tls, types.Size_t(unsafe.Sizeof(methods)))
	*(*sqlite3.Tsqlite3_io_methods)(pointer(h.methods)) = methods
	f.FpMethods = h.methods
	layer.mu.Lock()
	defer layer.mu.Unlock()
	layer.handles[file] = h
	return rc
}

func vfsDelete(tls *libc.TLS, _, name uintptr, syncDir int32) int32 {
	r := recorderOf(libc.GoString(name))
	base := filepath.Base(libc.GoString(name))
	r.turn("delete " + base)
	rc := function[deleteFunc](layer.original.FxDelete)(tls, layer.under, name, 0)
	if rc == sqlite3.SQLITE_OK {
		r.removed(base, syncDir&1 != 0)
	}
	return rc
}

func fileWrite(tls *libc.TLS, file, bytes uintptr, n int32, offset sqlite3.Tsqlite3_int64) int32 {
	h := handleOf(file)
	h.r.turn(h.who)
	h.r.add(step{kind: wrote, inode: h.inode, offset: offset, bytes: append([]byte{}, unsafe.Slice((*byte)(pointer(bytes)), n)...)})
	return function[writeFunc](h.under.FxWrite)(tls, file, bytes, n, offset)
}

func fileTruncate(tls *libc.TLS, file uintptr, size sqlite3.Tsqlite3_int64) int32 {
	h := handleOf(file)
	h.r.turn(h.who)
	h.r.add(step{kind: truncated, inode: h.inode, offset: size})
	return function[truncateFunc](h.under.FxTruncate)(tls, file, size)
}

func fileSync(_ *libc.TLS, file uintptr, _ int32) int32 {
	h := handleOf(file)
	h.r.turn(h.who)
	h.r.add(step{kind: synced, inode: h.inode, name: h.name, dir: h.dirSync})
	h.dirSync = false
	return sqlite3.SQLITE_OK
}

func fileShmLock(tls *libc.TLS, file uintptr, offset, n, flags int32) int32 {
	h := handleOf(file)
	h.r.turn(h.who)
	return function[shmLockFunc](h.under.FxShmLock)(tls, file, offset, n, flags)
}

func fileClose(tls *libc.TLS, file uintptr) int32 {
	h := handleOf(file)
	layer.mu.Lock()
	delete(layer.handles, file)
	layer.mu.Unlock()
	rc := function[closeFunc](h.under.FxClose)(tls, file)
	libc.Xfree(tls, h.methods)
	return rc
}
