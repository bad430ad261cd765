// Package match decides which subscriptions an event is for. It is pure: it uses no store, no
// network and no clock, and the same subscription and event always give the same result.
//
// A subscription matches an event if it is active, one of its event-type patterns fits
// (event.Wants), it shares a channel with the event or names no channels, and its filter is
// true. The rules are checked in this order, and Reason names the first one that fails. A
// paused subscription matches, and its deliveries wait. The rule about channels does not apply
// to an event that was published to one subscription (Event.Direct).
//
// Start with Subscription.Match for the rules, Compile for filters, and Tenant for the index
// that finds 3 subscriptions among 10,000.
//
// # Filters
//
// A filter is a JSON object. Its top level names the parts of an event: "event" (its type),
// "data", "metadata", "channels" and "tenant". A nested object is a path, and a plain value
// means equal:
//
//	{"data": {"amount": {"$gte": 100}, "customer": {"country": "DE"}}}
//
// All paths must hold. The operators are $eq, $neq, $gt, $gte, $lt, $lte, $in, $nin, $exist,
// $startsWith, $endsWith, $contains, $regex, $and, $or and $not. The syntax is that of
// Hookdeck, Outpost and Convoy. Where they differ or say nothing, these rules hold:
//
//   - Values of different types are never equal and have no order: 1 is neither "1" nor true.
//   - Numbers are exact decimals of any length: 1, 1.0 and 10e-1 are equal, and
//     9007199254740993 and 9007199254740992 are not.
//   - Strings are compared by code point, without normalization. $gt, $gte, $lt and $lte take
//     a number or a string.
//   - An absent value satisfies no comparison, not even with null. $exist tests whether a value
//     is present; null is present. Only objects have members: below null, a string or an absent
//     value, everything is absent.
//   - $neq, $nin and $not are exact negations of $eq, $in and the condition. They hold for an
//     absent value.
//   - A comparison holds for an array if it holds for the array itself or for one of its
//     elements, however deeply arrays are nested. Comparisons in one object hold for the same
//     element: {"prices": {"$gt": 1, "$lt": 3}} needs one price between 1 and 3.
//   - A path into an array holds if it holds for one element. Paths in one object hold for the
//     same element. An empty array has no element, so no path into it holds. A negation at the
//     end of a path is about the element: {"items": {"id": {"$neq": 5}}} needs an item other
//     than 5; {"items": {"$not": {"id": 5}}} needs that no item is 5.
//   - $and and $or evaluate each of their conditions separately, so different elements may
//     satisfy them. Both are allowed at the top level and below a path, where they also take
//     plain values.
//   - $eq with an array or an object needs exactly that value; the order of an object's
//     members does not matter. A plain array means $eq, not that each entry is contained.
//   - $contains finds a substring in a string. In an array it finds an equal element, and does
//     not look inside the elements.
//   - $startsWith and $endsWith also take an array of strings, one of which must fit.
//   - $regex is RE2 (Go's regexp). It matches anywhere in the string unless it is anchored;
//     begin it with (?i) to ignore case.
//   - Names are literal, including dots. A name that begins with $ cannot be a path.
//   - If an object in the event's data has a name twice, the last one counts, as in most
//     parsers. An unpaired surrogate escape counts as U+FFFD. NUL is an ordinary character.
//   - {} matches every event. Compile refuses whatever is ambiguous: any other empty object, an
//     empty array of alternatives, an operator inside a fixed value, an object with both paths
//     and operators, a duplicate name, and a number where the event has a string (in metadata,
//     for example).
//
// # Limits
//
// Compile limits the size of a filter; see MaxFilterBytes and the constants after it. MaxSteps
// limits the work of one filter for one event, without a clock. The limit is about 0.2 s, and
// an ordinary filter takes a few milliseconds for a body of 1 MiB. A filter that needs more
// steps does not match, even if it is a $not, and Reason says so.
//
// The event's data is tokenized once, when the first filter needs it. Of the members at its top
// level, only those that a filter names are tokenized. Values are decoded when they are
// compared. Tokens take up to 8 bytes of memory for each byte of data. Without a filter, data
// is not read.
package match
