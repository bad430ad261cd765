// Package terminal prints lines for people: styled and redrawn on a terminal, plain in a file or
// pipe. Text from a stranger must go through Clean before it is printed, so that it can't control
// the terminal.
//
// The package knows nothing about webhooks. Start with Screen.
package terminal
