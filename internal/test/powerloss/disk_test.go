package powerloss

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is the number of bytes that a disk writes completely or not at all.
const sector = 512

// step is one thing that happened, in the order of the recording.
type step struct {
	kind   kind
	inode  int    // of the file, except for an acknowledgement and removed
	name   string // for created and removed: in the directory
	offset int64  // for wrote; the size for truncated
	bytes  []byte // for wrote
	dir    bool   // for synced: of the directory too
	note   note   // for acknowledged
}

type kind uint8

const (
	created kind = iota
	removed
	wrote
	truncated
	synced
	acknowledged
)

// disk is the content of a disk after some steps: what is certainly on it, and what may be.
type disk struct {
	files   map[int]*file
	names   map[string]int // inodes by their certain names
	renamed []step         // creations and removals that are not synced, in order
}

// file is the content of an inode.
type file struct {
	durable []byte
	pending []step // not synced, in order
}

// image contains the files after a crash, by name.
type image map[string][]byte

// newDisk returns a disk with an image, all of it durable. Inodes are numbered in the order of the
// names.
func newDisk(base image) *disk {
	d := &disk{files: map[int]*file{}, names: map[string]int{}}
	for i, name := range slices.Sorted(maps.Keys(base)) {
		d.names[name] = i
		d.files[i] = &file{durable: base[name]}
	}
	return d
}

func (d *disk) apply(s step) {
	switch s.kind {
	case created:
		d.files[s.inode] = &file{}
		d.renamed = append(d.renamed, s)
	case removed:
		d.renamed = append(d.renamed, s)
	case wrote, truncated:
		d.files[s.inode].pending = append(d.files[s.inode].pending, s)
	case synced:
		f := d.files[s.inode]
		f.durable, f.pending = f.after(everything{}), nil
		if s.dir {
			d.names, d.renamed = d.namesAfter(len(d.renamed)), nil
		}
	}
}

// namesAfter returns the names if the first n changes of the directory are on disk. File systems
// keep the order of these changes.
func (d *disk) namesAfter(n int) map[string]int {
	names := maps.Clone(d.names)
	for _, s := range d.renamed[:n] {
		if s.kind == created {
			names[s.name] = s.inode
		} else {
			delete(names, s.name)
		}
	}
	return names
}

// crash draws what is on the disk after a power failure.
func (d *disk) crash(r *rand.Rand) image {
	names := d.namesAfter(len(d.renamed) - draw(r, len(d.renamed)))
	found := image{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found[name] = d.files[names[name]].crash(r)
	}
	return found
}

// draw returns a number from 0 to n, and often one of the two.
func draw(r *rand.Rand, n int) int {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return n
	}
	return r.IntN(n + 1)
}

func (f *file) crash(r *rand.Rand) []byte {
	if len(f.pending) == 0 {
		return f.durable
	}
	return f.after(drawFate(r, len(f.pending)))
}

// after returns the file after the fate of its pending steps.
func (f *file) after(of fate) []byte {
	content := &content{bytes: slices.Clone(f.durable), largest: len(f.durable), fill: of.fill}
	for i, s := range f.pending {
		if s.kind == truncated {
			if of.keeps(i, 0) {
				content.resize(int(s.offset))
			}
			continue
		}
		for at := 0; at < len(s.bytes); {
			from := int(s.offset) + at
			n := min(sector-from%sector, len(s.bytes)-at)
			if of.keeps(i, from/sector) {
				content.write(from, s.bytes[at:at+n])
			}
			at += n
		}
		content.largest = max(content.largest, int(s.offset)+len(s.bytes))
	}
	content.resize(of.size(len(content.bytes), content.largest))
	return content.bytes
}

// content is a file under construction.
type content struct {
	bytes   []byte
	largest int            // the size after all writes
	fill    func(n []byte) // fills the part where the file has grown but nothing was written
}

func (c *content) write(at int, b []byte) {
	c.resize(max(len(c.bytes), at+len(b)))
	copy(c.bytes[at:], b)
}

func (c *content) resize(size int) {
	if size <= len(c.bytes) {
		c.bytes = c.bytes[:size]
		return
	}
	before := len(c.bytes)
	c.bytes = append(c.bytes, make([]byte, size-before)...)
	c.fill(c.bytes[before:])
}
