// Package terminal writes lines for people: styled and redrawn where the output is a
// terminal, plain where it is a file or a pipe. A stranger's text goes through Clean
// before it is written, so that it can't take the terminal over.
//
// It knows nothing of webhooks. Start with Screen.
package terminal
