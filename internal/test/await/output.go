package await

import (
	"bytes"
	"strings"
	"sync"
)

// Output is what a program writes to. It calls Then, once, when Until is in what was
// written. Both may be set anew in Then, and before anything is written.
type Output struct {
	Until string
	Then  func(text string)

	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps what is written.
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

// String is all that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
