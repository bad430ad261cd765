package powerloss

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// recorder records what happens to the files of a directory, in order. A nil recorder records
// nothing.
type recorder struct {
	dir      string
	turns    *turns
	mutation mutation

	mu      sync.Mutex
	steps   []step
	inodes  map[string]int // of the existing files, by name
	next    int            // the next inode
	handles map[string]int // how often each file was opened
}

// newRecorder records on top of a disk with an image.
func newRecorder(dir string, base image, t *turns, mutation mutation) *recorder {
	r := &recorder{dir: dir, turns: t, mutation: mutation, inodes: map[string]int{}, handles: map[string]int{}}
	for _, name := range slices.Sorted(maps.Keys(base)) { // in the order of newDisk
		r.inodes[name] = r.next
		r.next++
	}
	return r
}

// turn waits until the caller may continue.
func (r *recorder) turn(who string) {
	if r != nil {
		r.turns.wait(who)
	}
}

// opened returns a file's inode, a name for the open file, and whether the file is new.
func (r *recorder) opened(name string) (inode int, who string, fresh bool) {
	if r == nil {
		return 0, "", false
	}
	r.mu.Lock()
	inode, known := r.inodes[name]
	if !known {
		inode = r.next
		r.next++
		r.inodes[name] = inode
	}
	r.handles[name]++
	who = fmt.Sprintf("%s %3d", name, r.handles[name])
	r.mu.Unlock()
	if !known {
		r.add(step{kind: created, inode: inode, name: name})
	}
	return inode, who, !known
}

func (r *recorder) removed(name string, syncDir bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	inode := r.inodes[name]
	delete(r.inodes, name)
	r.mu.Unlock()
	r.add(step{kind: removed, name: name})
	if syncDir {
		r.add(step{kind: synced, inode: inode, name: name, dir: true})
	}
}

func (r *recorder) add(s step) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = r.mutation.add(r.steps, s)
}
