package match

import (
	"bytes"
	"cmp"
	"strconv"
)

// decimal is the exact value of a JSON number: sign × 0.digits × 10^exponent. Neither the first
// digit nor the last is 0; zero has no digits.
type decimal struct {
	sign     int
	digits   []byte
	exponent int64
}

// hugeExponent stands for every exponent of more than 15 digits. No number has enough digits to
// compensate for that, so it still compares correctly with every number that a filter may contain
// (MaxExponent).
const hugeExponent = 1e16

// readDecimal reads a valid JSON number and appends its digits to buf. The time depends on the
// number's length, not on its exponent.
func readDecimal(number, buf []byte) decimal {
	d := decimal{sign: 1}
	if number[0] == '-' {
		d.sign, number = -1, number[1:]
	}
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		d.exponent, number = readExponent(number[i+1:]), number[:i]
	}
	whole, fraction, _ := bytes.Cut(number, []byte("."))
	digits := append(append(buf, whole...), fraction...)
	d.digits = bytes.TrimLeft(digits, "0")
	d.exponent += int64(len(whole) - (len(digits) - len(d.digits)))
	d.digits = bytes.TrimRight(d.digits, "0")
	if len(d.digits) == 0 {
		return decimal{}
	}
	return d
}

func readExponent(text []byte) int64 {
	sign := int64(1)
	if text[0] == '-' {
		sign = -1
	}
	text = bytes.TrimLeft(bytes.TrimLeft(text, "+-"), "0")
	if len(text) > 15 {
		return sign * hugeExponent
	}
	n, _ := strconv.ParseInt("0"+string(text), 10, 64) // 16 digits fit
	return sign * n
}

func (d decimal) compare(o decimal) int {
	if c := cmp.Compare(d.sign, o.sign); c != 0 {
		return c
	}
	c := cmp.Compare(d.exponent, o.exponent)
	if c == 0 {
		c = bytes.Compare(d.digits, o.digits)
	}
	return d.sign * c
}

// appendKey appends a key. Two numbers have the same key if and only if they are equal.
func (d decimal) appendKey(b []byte) []byte {
	b = strconv.AppendInt(b, int64(d.sign), 10)
	b = append(append(b, '.'), d.digits...)
	return strconv.AppendInt(append(b, 'e'), d.exponent, 10)
}

// digitsBuffer is long enough for the digits of nearly every number.
type digitsBuffer [48]byte

func compareNumbers(a, b []byte) int {
	var bufA, bufB digitsBuffer
	return readDecimal(a, bufA[:0]).compare(readDecimal(b, bufB[:0]))
}
