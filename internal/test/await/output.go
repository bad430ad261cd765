package await

import (
	"bytes"
	"strings"
	"sync"
)

// Output records what is written to it. It calls Then once, as soon as the text contains Until.
// Both may be set before the first write, and again in Then.
type Output struct {
	Until string
	Then  func(text string)

	mu   sync.Mutex
	text bytes.Buffer
}

// Write records p.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.Then != nil && strings.Contains(o.text.String(), o.Until) {
		then := o.Then
		o.Then = nil
		then(o.text.String())
	}
	return len(p), nil
}

// String returns everything that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
