package send

import (
	"fmt"
	"net/netip"
)

// blockedError is the guard's refusal of an address.
type blockedError struct {
	addr netip.Addr
	rule *special   // nil: an operator denies it
	via  netip.Addr // the IPv6 address that leads to addr, if one does
}

// Error is for whoever wrote the address, and for the operator. The advice is the
// one address and not its range: it will be copied as it stands, and whoever wants
// more can write more.
func (e *blockedError) Error() string {
	way := ""
	if e.via.IsValid() {
		way = fmt.Sprintf("%v leads to %v: ", e.via, e.addr)
	}
	if e.rule == nil {
		return fmt.Sprintf("%s%v is not called, because HOOKFERRY_DENY_TARGETS names it", way, e.addr)
	}
	return fmt.Sprintf("%s%v is %s (%s), which is not called; an operator may allow it with HOOKFERRY_ALLOW_TARGETS=%v",
		way, e.addr, e.rule.what, e.rule.source, netip.PrefixFrom(e.addr, e.addr.BitLen()))
}

// behind says the same of an address that was found behind a name, for whoever may
// read what became of a webhook. The rule is named and the address is not: by it
// the operator's network could be mapped, one name after the other.
func (e *blockedError) behind(name string) string {
	words := "the name " + quote(name) + " leads to "
	if e.rule == nil {
		return words + "an address that HOOKFERRY_DENY_TARGETS names, so it is not called; the log says which"
	}
	return fmt.Sprintf("%s%s (%s), which is not called; the log says which, and an operator may allow it with HOOKFERRY_ALLOW_TARGETS",
		words, e.rule.what, e.rule.source)
}
