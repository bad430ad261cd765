package send

import (
	"fmt"
	"net/netip"
)

// blockedError is the guard's refusal of an address.
type blockedError struct {
	addr netip.Addr
	rule *special   // nil: the operator denies it
	via  netip.Addr // the IPv6 address that embeds addr, if any
}

// Error is the message for the author of the address and for the operator. It advises to
// allow this one address and not its range, because people copy such advice as it is.
func (e *blockedError) Error() string {
	via := ""
	if e.via.IsValid() {
		via = fmt.Sprintf("%v embeds %v: ", e.via, e.addr)
	}
	if e.rule == nil {
		return fmt.Sprintf("%s%v is blocked: it is listed in HOOKFERRY_DENY_TARGETS", via, e.addr)
	}
	return fmt.Sprintf("%s%v is blocked: it is %s (%s); the operator can allow it with HOOKFERRY_ALLOW_TARGETS=%v",
		via, e.addr, e.rule.what, e.rule.source, netip.PrefixFrom(e.addr, e.addr.BitLen()))
}

// messageFor is the message about an address to which a name resolved. Readers of attempts see
// it, so it contains the rule and not the address: otherwise they could map the operator's
// network, one name after the other.
func (e *blockedError) messageFor(name string) string {
	words := "the name " + quote(name) + " is blocked: it resolves to "
	if e.rule == nil {
		return words + "an address listed in HOOKFERRY_DENY_TARGETS; the log says which"
	}
	return fmt.Sprintf("%s%s (%s); the log says which, and the operator can allow it with HOOKFERRY_ALLOW_TARGETS",
		words, e.rule.what, e.rule.source)
}
