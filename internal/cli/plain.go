package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hookferry/hookferry/internal/reason"
)

// readable returns the text of an error for people. It replaces the texts of errors of Go's library,
// which are written for programmers and may contain a password from a URL.
func readable(err error) string {
	text := err.Error()
	for _, e := range libraryErrors(err) {
		text = strings.Replace(text, e.Error(), plainText(e), 1)
	}
	return text
}

// libraryErrors returns the outermost errors of Go's library in err's tree.
func libraryErrors(err error) (found []error) {
	if isLibraryError(err) {
		return []error{err}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return libraryErrors(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			found = append(found, libraryErrors(inner)...)
		}
	}
	return found
}

func isLibraryError(err error) bool {
	switch err.(type) {
	case *url.Error, *net.OpError, *net.DNSError, *net.AddrError, *net.ParseError, *os.SyscallError, *fs.PathError, *os.LinkError, *exec.Error,
		*strconv.NumError, *json.SyntaxError, *json.UnmarshalTypeError, *time.ParseError, url.EscapeError, url.InvalidHostError:
		return true
	}
	return err == context.Canceled || err == io.EOF || err == io.ErrUnexpectedEOF || err == os.ErrDeadlineExceeded
}

func plainText(err error) string {
	switch e := err.(type) {
	case *fs.PathError:
		return fmt.Sprintf("%q can't be used: %s", e.Path, fileReason(e.Err))
	case *exec.Error:
		return fmt.Sprintf("%q can't be run: %s", e.Name, fileReason(e.Err))
	case *net.OpError:
		if _, isAddress := errors.AsType[*net.AddrError](e); isAddress {
			return notAnAddress
		}
	case *net.AddrError, *net.ParseError:
		return notAnAddress
	case *strconv.NumError:
		return "it is not a usable number"
	case *json.SyntaxError, *json.UnmarshalTypeError:
		return "it is not the expected JSON"
	case *time.ParseError:
		return "it is not a time"
	case url.EscapeError, url.InvalidHostError:
		return "it is not a URL"
	}
	return reason.Of(err)
}

const notAnAddress = "it is not an address: write it like 127.0.0.1:8000"

func fileReason(err error) string {
	if clause, known := reason.Known(err); known {
		return clause
	}
	return "the system refuses it"
}

// flagFault says what is wrong with a flag.
func flagFault(err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return fmt.Errorf("there is no flag %s", dashed(e.GetSpecifiedName(), e.GetSpecifiedShortnames() != ""))
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("--%s needs a value: write --%s=%s", e.GetFlag().Name, e.GetFlag().Name, strings.ToUpper(e.GetFlag().Value.Type()))
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s is %q: %s", e.GetFlag().Name, e.GetValue(), flagHint(e.GetFlag().Value.Type()))
	}
	return errors.New("a flag is malformed: write --name, or --name=value")
}

func dashed(name string, isShort bool) string {
	if isShort {
		return "-" + name
	}
	return "--" + name
}

// flagHint says which values a flag of this type accepts.
func flagHint(kind string) string {
	switch kind {
	case "int":
		return "write an integer"
	case "duration":
		return "write a duration like 500ms, 10s or 5m"
	case "bool":
		return "write true or false, or the flag alone"
	}
	return "it does not accept this value"
}
